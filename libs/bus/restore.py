"""Creates again what must exist on NATS, when the server may have forgotten it.

A server that runs alone forgets its memory streams when it dies, and everything when it comes back
with another disk. Nobody restarts our processes then, so what they created at their start they
create again: after every lost connection, and when something is found missing.
"""

import asyncio
from collections.abc import Awaitable, Callable

import structlog
from nats.errors import Error as NatsError
from nats.js.errors import NoStreamResponseError, NotFoundError

log = structlog.get_logger()

PAUSE = 0.5
"""Seconds between two tries, as while the server starts."""


class Restore:
    """What must exist, in the order in which it is created. Creating what is there does nothing."""

    def __init__(self) -> None:
        self._creating: list[Callable[[], Awaitable[object]]] = []
        self._wanted = asyncio.Event()

    def add(self, create: Callable[[], Awaitable[object]]) -> None:
        """Have this created again, too; the first time is the caller's."""
        self._creating.append(create)

    def soon(self) -> None:
        """Create everything again: something is missing, or may be."""
        self._wanted.set()

    def missed(self, error: Exception) -> None:
        """Create everything again when this error says that something is missing."""
        if isinstance(error, NoStreamResponseError | NotFoundError):
            self.soon()

    async def create(self) -> None:
        """Wait until it is asked for, then create everything. A step of a background loop."""
        await self._wanted.wait()
        self._wanted.clear()
        try:
            for create in self._creating:
                await create()
        except Exception as error:
            self._wanted.set()
            if not isinstance(error, NatsError | OSError | TimeoutError):
                raise
            log.warning("bus.not_restored", error=repr(error))
