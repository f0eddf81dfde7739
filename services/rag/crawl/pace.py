"""How fast one host is asked, by all crawls of this process together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Host:
    """One host's turns."""

    def __init__(self, at_once: int) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._next = 0.0
        self._wanted = 0

    @property
    def idle(self) -> bool:
        """Whether nobody wants a turn, and the next one would not have to wait."""
        return not self._wanted and self._next <= asyncio.get_running_loop().time()

    @asynccontextmanager
    async def turn(self, delay: float) -> AsyncIterator[None]:
        """Wait for a turn, and have the next one wait for `delay` seconds from its beginning."""
        self._wanted += 1
        try:
            async with self._at_once:
                loop = asyncio.get_running_loop()
                start = max(loop.time(), self._next)
                self._next = start + delay
                await asyncio.sleep(start - loop.time())
                yield
        finally:
            self._wanted -= 1


class Pace:
    """The hosts that are being asked."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._hosts: dict[str, Host] = {}

    def host(self, site: str) -> Host:
        """Return a host; those that make nobody wait are forgotten."""
        self._hosts = {known: host for known, host in self._hosts.items() if not host.idle}
        return self._hosts.setdefault(site, Host(self._at_once))
