"""The most memory that each process of a stack had while a block ran."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from tests.bench.processes import megabytes

EVERY = 0.5
"""Seconds between two looks."""
MOST_MB = {
    "api": 350.0,
    "rag": 1_500.0,
    "llm": 350.0,
    "billing": 250.0,
    "webhooks": 300.0,
    "nats": 600.0,
    "mongo": 1_200.0,
}
"""The bound of each process, in MB; rag's with the processes in which it reads documents."""


@asynccontextmanager
async def peaks(pids: dict[str, int]) -> AsyncIterator[dict[str, float]]:
    """Hand out what is filled in until the block ends: MB by process."""
    most = dict.fromkeys(pids, 0.0)

    async def look() -> None:
        while True:
            for name, pid in pids.items():
                with suppress(OSError):  # a reader of documents has just ended
                    most[name] = max(most[name], megabytes(pid))
            await asyncio.sleep(EVERY)

    looking = asyncio.create_task(look())
    try:
        yield most
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking
