"""Background loops: a step that is taken again and again, whatever it meets.

All loops of all services are these, so that none ends silently because of an exception that nobody
thought of. tests/runtime/test_tasks.py finds tasks that are started otherwise.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import structlog

log = structlog.get_logger()

Step = Callable[[], Awaitable[object]]

AFTER_FAILURE = 1.0
"""Seconds, at least, between a step that failed and the next."""
CANCEL_AGAIN = 0.5
"""Seconds after which a loop that goes on all the same is cancelled again."""


async def forever(
    name: str, step: Step, *, every: float, after_failure: float = AFTER_FAILURE
) -> None:
    """Take a step, rest for `every` seconds, and so on, until cancelled.

    A step that raises is logged, the first of a row of them with its stack.
    """
    failures = 0
    while True:
        try:
            await step()
        except Exception as error:  # that is what this is for
            failures += 1
            log.error("loop.failed", loop=name, error=repr(error), exc_info=failures == 1)
            await asyncio.sleep(max(every, after_failure))
        else:
            failures = 0
            await asyncio.sleep(every)


@asynccontextmanager
async def background(name: str, step: Step, *, every: float) -> AsyncIterator[None]:
    """Take steps beside the block until it ends, see forever()."""
    task = asyncio.create_task(forever(name, step, every=every))
    try:
        yield
    finally:
        await cancel([task])


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


def vital(task: asyncio.Task[Any], name: str) -> None:
    """Have the process stop, to be started anew, should a task that it can't do without fail."""

    def ended(task: asyncio.Task[Any]) -> None:
        if not task.cancelled() and (error := task.exception()):
            log.critical("task.failed", task=name, error=repr(error), exc_info=error)
            os.kill(os.getpid(), signal.SIGTERM)

    task.add_done_callback(ended)
