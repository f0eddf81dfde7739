"""What the edge remembers, for CACHE_TTL at most: keys, accounts and agents of recent requests."""

import re

from libs.bus.bus import Bus
from libs.bus.shared_cache import SharedCache
from libs.contracts.accounts import Account, CacheInvalidated
from libs.contracts.queues import CACHE_INVALIDATED
from libs.runtime.ids import is_id
from services.api.store.accounts import Accounts
from services.api.store.agents import Agent, Agents
from services.api.store.keys import Key, Keys, digest

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
        self._callers = SharedCache(bus, size=size, ttl=ttl, concerns=_ids_of_caller)
        self._known_agents: SharedCache[Agent] = SharedCache(bus, size=size, ttl=ttl)
        self._origins: SharedCache[bool] = SharedCache(bus, size=size, ttl=ttl)

    async def by_secret(self, secret: str) -> tuple[Account, Key] | None:
        """Return the account and key of a secret, None when it is not valid."""

        async def read(_: str) -> tuple[Account, Key] | None:
            key = await self._keys.by_secret(secret)
            account = await self._accounts.get(key.account_id) if key else None
            return None if key is None or account is None else (account, key)

        return await self._callers.get(digest(secret), read)

    async def agent(self, agent_id: str) -> Agent | None:
        """Return an agent, None when there is none."""
        if not is_id(agent_id):
            return None
        return await self._known_agents.get(agent_id, self._agents.get)

    async def origin_is_known(self, origin: str) -> bool:
        """Whether any publishable key is for this origin."""
        if not ORIGIN.fullmatch(origin):  # no key is, and a stranger's text is not remembered
            return False
        return bool(await self._origins.get(origin, self._keys.origin_is_known))

    async def changed(self, *ids: str) -> None:
        """Make every api process forget these keys, accounts or agents, this one at once."""
        changed = CacheInvalidated(ids=ids)
        self.invalidated(changed)
        await self._bus.tell(CACHE_INVALIDATED, changed)

    def invalidated(self, changed: CacheInvalidated) -> None:
        """Take a change from the bus."""
        self._callers.invalidated(changed)
        self._known_agents.invalidated(changed)
        self._origins.forget_everything()  # any key may be new to an origin, or was its last


def _ids_of_caller(caller: tuple[Account, Key]) -> tuple[str | None, ...]:
    account, key = caller
    return account.id, key.id, key.agent_id
