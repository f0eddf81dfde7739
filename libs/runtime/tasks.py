"""Background loops that live exactly as long as a block."""

import asyncio
from collections.abc import AsyncIterator, Coroutine, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

CANCEL_AGAIN = 0.5
"""Seconds after which a loop that goes on all the same is cancelled again."""


@asynccontextmanager
async def background(*loops: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run endless coroutines beside the block and cancel them when it ends."""
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        yield
    finally:
        await cancel(tasks)
        for task in tasks:
            with suppress(asyncio.CancelledError):
                await task


async def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended, one way or another.

    Once is not enough: Python 3.11's `wait_for`, and so every request of nats-py, loses a
    cancellation that comes together with the result, and the loop goes on.
    """
    running = set(tasks)
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=CANCEL_AGAIN)
