"""Which answers are not wanted any more. Every worker hears of every cancellation."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from cachetools import TTLCache

from libs.contracts.chat import ChatCancelled
from libs.contracts.subjects import CHAT

REMEMBERED = 10_000
"""Most cancellations that are remembered, for questions that are still on their way here."""


class Cancelled(Exception):
    """Nobody wants this answer any more."""


class Cancellations:
    """Stops what is at work and remembers what is still to come."""

    def __init__(self) -> None:
        self._seen: TTLCache[str, bool] = TTLCache(REMEMBERED, CHAT.max_age)
        # One message may be at work twice in a process: it was delivered again meanwhile.
        self._working: defaultdict[str, set[asyncio.Timeout]] = defaultdict(set)

    def receive(self, cancelled: ChatCancelled) -> None:
        """Take a cancellation from the bus."""
        self.cancel(cancelled.message_id)

    def cancel(self, message_id: str) -> None:
        """Stop the work on a message, now and in future."""
        self._seen[message_id] = True
        now = asyncio.get_running_loop().time()
        for scope in self._working.get(message_id, ()):
            scope.reschedule(now)

    @asynccontextmanager
    async def stoppable(self, message_id: str) -> AsyncIterator[None]:
        """Run the block until its message is cancelled. Raises Cancelled then."""
        if message_id in self._seen:
            raise Cancelled
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._working[message_id].add(scope)
                yield
        except TimeoutError:
            if scope.expired():
                raise Cancelled from None
            raise
        finally:
            self._working[message_id].discard(scope)
            if not self._working[message_id]:
                del self._working[message_id]
