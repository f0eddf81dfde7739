"""What the edge remembers: the keys, accounts and agents of recent requests.

Whoever changes one tells all api processes over the bus, and each forgets it (`forget`). A process
that is cut off from the bus does not trust its memory, and forgets everything when it is back.
Nothing is remembered longer than CACHE_TTL.
"""

import re
from typing import TypeVar

from cachetools import TTLCache

from libs.bus.bus import Bus
from libs.contracts.accounts import Account, CacheInvalidated
from libs.contracts.queues import CACHE_INVALIDATED
from libs.runtime.ids import is_id
from services.api.store.accounts import Accounts
from services.api.store.agents import Agent, Agents
from services.api.store.keys import Key, Keys, digest

T = TypeVar("T")
ORIGIN = re.compile(r"(?=.{1,255}$)https?://(?:[a-z0-9.\-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
"""An origin as browsers send it, and as a key names it."""


class KnownCallers:
    """Looks up callers and agents, from memory when it can."""

    def __init__(
        self, bus: Bus, accounts: Accounts, keys: Keys, agents: Agents, *, size: int, ttl: float
    ) -> None:
        self._bus = bus
        self._accounts = accounts
        self._keys = keys
        self._agents = agents
        self._callers: TTLCache[str, tuple[Account, Key]] = TTLCache(size, ttl)
        self._known_agents: TTLCache[str, Agent] = TTLCache(size, ttl)
        self._origins: TTLCache[str, bool] = TTLCache(size, ttl)
        self._forgotten = 0

    async def by_secret(self, secret: str) -> tuple[Account, Key] | None:
        """Return the account and key of a secret, None when it is not valid."""
        hashed = digest(secret)
        if caller := self._recalled(self._callers, hashed):
            return caller
        before = self._forgotten
        key = await self._keys.by_secret(secret)
        account = await self._accounts.get(key.account_id) if key else None
        if key is None or account is None:
            return None
        # What was revoked between the look-up and now must not be remembered.
        if before == self._forgotten:
            self._callers[hashed] = (account, key)
        return account, key

    async def agent(self, agent_id: str) -> Agent | None:
        """Return an agent, None when there is none."""
        if not is_id(agent_id):
            return None
        if agent := self._recalled(self._known_agents, agent_id):
            return agent
        before = self._forgotten
        found = await self._agents.get(agent_id)
        if found is not None and before == self._forgotten:
            self._known_agents[agent_id] = found
        return found

    async def origin_is_known(self, origin: str) -> bool:
        """Whether any publishable key is for this origin."""
        if not ORIGIN.fullmatch(origin):  # no key is, and a stranger's text is not remembered
            return False
        known = self._recalled(self._origins, origin)
        if known is None:
            before = self._forgotten
            known = await self._keys.origin_is_known(origin)
            if before == self._forgotten:
                self._origins[origin] = known
        return known

    def _recalled(self, cache: TTLCache[str, T], key: str) -> T | None:
        return cache.get(key) if self._bus.connected else None

    async def changed(self, *ids: str) -> None:
        """Make every api process forget these keys, accounts or agents, this one at once."""
        self.forget(ids)
        await self._bus.tell(CACHE_INVALIDATED, CacheInvalidated(ids=ids))

    def invalidated(self, changed: CacheInvalidated) -> None:
        """Take a change from the bus."""
        self.forget(changed.ids)

    def forget(self, ids: tuple[str, ...]) -> None:
        """Drop what is remembered of these ids."""
        self._forgotten += 1
        self._origins.clear()
        for hashed, (account, key) in list(self._callers.items()):
            if not {account.id, key.id, key.agent_id}.isdisjoint(ids):
                self._callers.pop(hashed, None)
        for agent_id in ids:
            self._known_agents.pop(agent_id, None)

    def forget_everything(self) -> None:
        """Drop all: changes may have been missed."""
        self._forgotten += 1
        for cache in (self._callers, self._known_agents, self._origins):
            cache.clear()
