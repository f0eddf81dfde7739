"""The endpoints of an agent, remembered for WEBHOOK_CACHE_SECONDS at most.

Every event of every agent asks, and most agents have no endpoint at all.
"""

from libs.bus.bus import Bus
from libs.bus.shared_cache import SharedCache
from libs.contracts.accounts import CacheInvalidated
from services.webhooks.endpoints.store import EndpointStore, StoredEndpoint

AGENTS_REMEMBERED = 10_000


class KnownEndpoints:
    """Looks endpoints up; memory before Mongo."""

    def __init__(self, bus: Bus, store: EndpointStore, seconds: float) -> None:
        self._store = store
        self._known: SharedCache[tuple[StoredEndpoint, ...]] = SharedCache(
            bus, size=AGENTS_REMEMBERED, ttl=seconds
        )

    async def of_agent(self, agent_id: str) -> tuple[StoredEndpoint, ...]:
        """Return the endpoints of an agent, the disabled ones too."""
        return await self._known.get(agent_id, self._store.of_agent) or ()

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
        self._known.invalidated(changed)

    def forget(self, agent_id: str) -> None:
        """Drop what is remembered of an agent."""
        self._known.forget(agent_id)
