"""An index of its own, and points for it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt

from services.rag.index.embedded import EmbeddedIndex, open_embedded_index
from services.rag.index.interface import Chunk

DIMENSIONS = 384


Vectors = npt.NDArray[np.float64]


def chunks(numbers: range, source: str = "s1", text: str = "") -> list[Chunk]:
    """Chunks of one source of the agent a1."""
    return [
        Chunk(agent_id="a1", source_id=source, number=number, kind="text", title="", text=text)
        for number in numbers
    ]


def some_vectors(count: int, seed: int = 7) -> Vectors:
    """Vectors around a few topics."""
    rng = np.random.default_rng(seed)
    topics = np.random.default_rng(1).normal(size=(40, DIMENSIONS))
    vectors = topics[rng.integers(0, 40, count)] + 0.7 * rng.normal(size=(count, DIMENSIONS))
    scaled: Vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


@asynccontextmanager
async def opened(directory: Path, every: int = 0) -> AsyncIterator[EmbeddedIndex]:
    """An index that looks every 20 ms whether it is to be optimised."""
    opening = open_embedded_index(
        directory,
        collection="c",
        dimensions=DIMENSIONS,
        flush_seconds=0.02,
        optimise_every=every,
    )
    async with opening as index:
        yield index
