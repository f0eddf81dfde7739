"""Whoever is refused over and over waits for it, so that a flood costs others nothing.

A refusal is cheap, but one client that asks again at once, on many connections, can keep a process
busy with them. Held back it asks once a second on each connection.
"""

import asyncio

from cachetools import TTLCache

WINDOW = 1.0
"""Seconds without a refusal after which a client's next one is given at once again."""
REMEMBERED = 10_000
"""Most clients whose refusals a process counts at the same time."""


class Refusals:
    """Counts refusals by key or address; beyond `at_once` each waits for WINDOW."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._counts: TTLCache[str, int] = TTLCache(REMEMBERED, WINDOW)

    def wait(self, client: str) -> float:
        """Count a refusal; return the seconds until the client may be told of it."""
        count = self._counts.get(client, 0) + 1
        self._counts[client] = count  # begins the window anew
        return WINDOW if count > self._at_once else 0.0

    async def hold_back(self, client: str) -> None:
        """Return when a client may be told that it is refused."""
        if wait := self.wait(client):
            await asyncio.sleep(wait)
