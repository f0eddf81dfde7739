"""Fills a stack with what would take hours to say: chunks and stored messages.

Written where the services keep them, by their own stores, while the service is stopped.
"""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from motor.motor_asyncio import AsyncIOMotorClient

from services.rag.embed.bundled import DIMENSIONS
from services.rag.index.embedded import open_embedded_index
from services.rag.index.interface import Chunk
from services.rag.settings import RagSettings
from tests.stack import Stack
from tests.waiting import eventually

BATCH = 2_000
OPTIMISED_IN = 1_800.0
"""Seconds. Half a million chunks take some minutes."""

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
    if 0 < RagSettings.for_a_command().index_optimise_every <= count:
        await _optimised(stack.directory / "index")


async def _optimised(directory: Path) -> None:
    """Wait until rag has replaced its index by an optimised copy, and removed what it was."""
    before = set(_directories(directory))

    async def replaced() -> bool:
        now = _directories(directory)
        return len(now) == 1 and not before & set(now)

    await eventually(replaced, timeout=OPTIMISED_IN)


def _directories(directory: Path) -> list[Path]:
    return [path for path in directory.iterdir() if path.is_dir()]


async def index(directory: Path, agent_id: str, count: int, sources: int = 100) -> None:
    """Write chunks of random text with random vectors to the index of a data directory."""
    rng = random.Random(agent_id)
    numbers_of = np.random.default_rng(count)
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
            await opened.put(batch, numbers_of.normal(size=(len(batch), DIMENSIONS)).tolist())
        for source in range(min(sources, count)):
            await opened.reveal(agent_id, f"src_{agent_id}_{source}", 1)


def _chunk(rng: random.Random, agent_id: str, number: int, sources: int) -> Chunk:
    return Chunk(
        agent_id=agent_id,
        source_id=f"src_{agent_id}_{number % sources}",
        number=number // sources,
        kind="text",
        title=f"Document {number % sources}",
        text=" ".join(rng.choices(WORDS, k=60)),
    )


Document = dict[str, Any]


async def copies(
    stack: Stack, collection: str, count: int, change: Callable[[Document, int], Document]
) -> None:
    """Insert copies of a document that a service stored, each changed to be another one."""
    client: AsyncIOMotorClient[Document] = AsyncIOMotorClient(stack.mongo_url)
    try:
        documents = client["alonchat"][collection]
        model = await documents.find_one({}, sort=[("_id", -1)])
        assert model is not None, f"nothing is stored in {collection}"
        for first in range(0, count, BATCH):
            numbers = range(first, min(first + BATCH, count))
            batch = [change(dict(model), number) for number in numbers]
            await documents.insert_many(batch, ordered=False)
    finally:
        client.close()
