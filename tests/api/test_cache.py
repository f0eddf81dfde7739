"""What the edge remembers, and what it must not."""

from collections.abc import Callable
from typing import cast

from libs.bus.bus import Bus
from libs.contracts.accounts import CacheInvalidated
from services.api.edge.known import KnownCallers
from services.api.store.accounts import Accounts
from services.api.store.agents import Agents
from services.api.store.keys import Keys

ORIGIN = "https://shop.example"


class Connected:
    """A bus that is there."""

    connected = True

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Nothing is lost here."""


class SlowKeys:
    """Keys whose look-up is overtaken by a change."""

    def __init__(self) -> None:
        self.known = False
        self.directory: KnownCallers

    async def origin_is_known(self, _: str) -> bool:
        """Answer with what was true before the change that comes meanwhile."""
        before = self.known
        self.known = True
        self.directory.invalidated(CacheInvalidated(ids=("key_1",)))
        return before


def directory(keys: SlowKeys, ttl: float) -> KnownCallers:
    """A directory that needs nothing but keys."""
    keys.directory = KnownCallers(
        cast("Bus", Connected()),
        cast("Accounts", None),
        cast("Keys", keys),
        cast("Agents", None),
        size=10,
        ttl=ttl,
    )
    return keys.directory


async def test_an_origin_that_changed_while_it_was_looked_up_is_looked_up_again() -> None:
    """The answer from before the change is not remembered."""
    origins = directory(SlowKeys(), ttl=60)
    assert await origins.origin_is_known(ORIGIN) is False
    assert await origins.origin_is_known(ORIGIN) is True


async def test_what_expires_at_once_is_answered_all_the_same() -> None:
    """Remembering is an optimization, not where the answer comes from."""
    keys = SlowKeys()
    origins = directory(keys, ttl=1e-9)
    keys.known = True
    assert await origins.origin_is_known(ORIGIN) is True
