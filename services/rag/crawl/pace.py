"""How fast one host is asked, by all crawls of this process together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary


class Host:
    """One host's turns."""

    def __init__(self, at_once: int) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._next = 0.0

    @asynccontextmanager
    async def turn(self, delay: float) -> AsyncIterator[None]:
        """Wait for a turn, `delay` seconds after the one before began."""
        async with self._at_once:
            loop = asyncio.get_running_loop()
            start = max(loop.time(), self._next)
            self._next = start + delay
            await asyncio.sleep(start - loop.time())
            yield


class Pace:
    """The hosts that are being asked."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._hosts: WeakValueDictionary[str, Host] = WeakValueDictionary()

    def host(self, site: str) -> Host:
        """Return a host; it is forgotten with the last who holds it."""
        found = self._hosts.get(site)
        if found is None:
            found = self._hosts[site] = Host(self._at_once)
        return found
