"""How fast one host is asked, by all crawls of this process together."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

FIRST_EXTRA = 0.25
"""Seconds more between two requests to a host that asked for less; each time twice as many."""
MOST_EXTRA = 5.0
RECOVERY = 0.8
"""What is left of them after a request that went well."""


class Host:
    """One host's turns."""

    def __init__(self, at_once: int) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._next = 0.0
        self._extra = 0.0
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
                # What is waited for may grow meanwhile.
                while (wait := self._next - loop.time()) > 0:  # noqa: ASYNC110
                    await asyncio.sleep(wait)
                self._next = loop.time() + max(delay, self._extra)
                yield
        finally:
            self._wanted -= 1

    def slow_down(self, pause: float) -> None:
        """Ask nothing of the host for `pause` seconds, and then less often, whoever asks."""
        self._extra = min(MOST_EXTRA, max(FIRST_EXTRA, 2 * self._extra))
        self._next = max(self._next, asyncio.get_running_loop().time() + max(pause, self._extra))

    def speed_up(self) -> None:
        """Note that a request went well."""
        self._extra = self._extra * RECOVERY if self._extra > FIRST_EXTRA / 4 else 0.0


class HostPace:
    """The hosts that are being asked."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._hosts: dict[str, Host] = {}

    def host(self, site: str) -> Host:
        """Return a host; those that make nobody wait are forgotten."""
        self._hosts = {known: host for known, host in self._hosts.items() if not host.idle}
        return self._hosts.setdefault(site, Host(self._at_once))
