"""Fills a stack with what would take hours to say: chunks and stored messages.

Written where the services keep them, by their own stores, while the service is stopped.
"""

import random
from pathlib import Path

from services.rag.bundled_model import DIMENSIONS
from services.rag.index.embedded import open_embedded_index
from services.rag.index.interface import Chunk
from services.rag.settings import RagSettings
from tests.stack import Stack

BATCH = 2_000
WORDS = [
    "order",
    "ship",
    "return",
    "open",
    "close",
    "price",
    "size",
    "blue",
    "red",
    "shirt",
    "shoe",
    "cup",
    "store",
    "day",
    "week",
]


async def chunks(stack: Stack, agent_id: str, count: int, sources: int = 100) -> None:
    """Give an agent so many chunks more, of so many sources."""
    await stack.drain("rag")
    await index(stack.directory, agent_id, count, sources)
    stack.restart("rag")
    await stack.ready()


async def index(directory: Path, agent_id: str, count: int, sources: int = 100) -> None:
    """Write chunks of random text with random vectors to the index of a data directory."""
    rng = random.Random(agent_id)
    settings = RagSettings.model_validate({})
    async with open_embedded_index(
        directory / "index",
        collection=settings.index_collection,
        dimensions=DIMENSIONS,
        flush_seconds=settings.index_flush_seconds,
    ) as opened:
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            batch = [_chunk(rng, agent_id, number, sources) for number in numbers]
            await opened.put(batch, [_vector(rng) for _ in batch])


def _chunk(rng: random.Random, agent_id: str, number: int, sources: int) -> Chunk:
    return Chunk(
        agent_id=agent_id,
        source_id=f"src_{agent_id}_{number % sources}",
        number=number // sources,
        kind="text",
        title=f"Document {number % sources}",
        text=" ".join(rng.choices(WORDS, k=60)),
    )


def _vector(rng: random.Random) -> list[float]:
    return [rng.gauss(0, 1) for _ in range(DIMENSIONS)]
