"""What a process remembers of data that any replica may change.

Who changes something tells all replicas (CACHE_INVALIDATED), and each forgets it. A process that is
cut off from the bus does not trust its memory, and forgets everything when it is back. Nothing is
remembered longer than `ttl` seconds; what was read before a change is not remembered after it.
"""

from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import Generic, TypeVar

from cachetools import TTLCache

from libs.bus.bus import Bus
from libs.contracts.accounts import CacheInvalidated

V = TypeVar("V")
Concerns = Callable[[V], Collection[str | None]]


class SharedCache(Generic[V]):
    """Values by key. `concerns` says on which ids a value depends; by default it is its key."""

    def __init__(
        self, bus: Bus, *, size: int, ttl: float, concerns: Concerns[V] | None = None
    ) -> None:
        self._bus = bus
        self._concerns = concerns
        self._known: TTLCache[str, V] = TTLCache(size, ttl)
        self._changes = 0
        bus.on_reconnect(self.forget_everything)

    async def get(self, key: str, read: Callable[[str], Awaitable[V | None]]) -> V | None:
        """Return a value, from memory when it can; None, which is not remembered, for none."""
        known = self._known.get(key) if self._bus.connected else None
        if known is not None:
            return known
        before = self._changes
        found = await read(key)
        if found is not None and before == self._changes:
            self._known[key] = found
        return found

    def invalidated(self, changed: CacheInvalidated) -> None:
        """Take a change from the bus."""
        self.forget(*changed.ids)

    def forget(self, *ids: str) -> None:
        """Drop what depends on any of these ids."""
        self._changes += 1
        gone: Iterable[str] = ids
        if self._concerns is not None:
            known = list(self._known.items())
            gone = [key for key, value in known if set(self._concerns(value)).intersection(ids)]
        for key in gone:
            self._known.pop(key, None)

    def forget_everything(self) -> None:
        """Drop all: changes may have been missed."""
        self._changes += 1
        self._known.clear()
