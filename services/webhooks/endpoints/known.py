"""The endpoints of an agent, remembered for a few seconds.

Every event of every agent asks, and most agents have no endpoint at all. A change is told to all
processes (`forget`). One that was cut off from the bus forgets everything when it is back, and is
out of date for WEBHOOK_CACHE_SECONDS at most.
"""

from cachetools import TTLCache

from libs.contracts.accounts import CacheInvalidated
from services.webhooks.endpoints.store import EndpointStore, StoredEndpoint

AGENTS_REMEMBERED = 10_000


class KnownEndpoints:
    """Looks endpoints up; memory before Mongo."""

    def __init__(self, store: EndpointStore, seconds: float) -> None:
        self._store = store
        self._known: TTLCache[str, tuple[StoredEndpoint, ...]] = TTLCache(
            AGENTS_REMEMBERED, seconds
        )
        self._forgotten = 0

    async def of_agent(self, agent_id: str) -> tuple[StoredEndpoint, ...]:
        """Return the endpoints of an agent, the disabled ones too."""
        known = self._known.get(agent_id)
        if known is not None:
            return known
        before = self._forgotten
        found = await self._store.of_agent(agent_id)
        if (
            before == self._forgotten
        ):  # what was read before a change must not be remembered after it
            self._known[agent_id] = found
        return found

    async def subscribers(self, agent_id: str, event: str) -> tuple[StoredEndpoint, ...]:
        """Return the endpoints of an agent that want an event."""
        endpoints = await self.of_agent(agent_id)
        return tuple(one for one in endpoints if event in one.events and not one.disabled)

    async def subscribers_of_account(
        self, account_id: str, event: str
    ) -> tuple[StoredEndpoint, ...]:
        """Return the endpoints of all agents of an account that want an event.

        Not remembered: what is about a whole account happens rarely.
        """
        endpoints = await self._store.of_account(account_id)
        return tuple(one for one in endpoints if event in one.events and not one.disabled)

    async def find(self, agent_id: str, endpoint_id: str) -> StoredEndpoint | None:
        """Return an endpoint, None when there is none."""
        for endpoint in await self.of_agent(agent_id):
            if endpoint.id == endpoint_id:
                return endpoint
        return None

    def invalidated(self, changed: CacheInvalidated) -> None:
        """Take a change from the bus."""
        self.forget(*changed.ids)

    def forget(self, *agent_ids: str) -> None:
        """Drop what is remembered of these agents."""
        self._forgotten += 1
        for agent_id in agent_ids:
            self._known.pop(agent_id, None)

    def forget_everything(self) -> None:
        """Drop all: changes may have been missed."""
        self._forgotten += 1
        self._known.clear()
