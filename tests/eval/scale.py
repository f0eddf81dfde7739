"""`python -m tests.eval.scale`: search among many chunks on the embedded index, without embedding.

Vectors and texts are made up. Each question is the code of one chunk, with a vector that has
nothing to do with it: it has to be found by its words alone.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.rag.index.embedded import EmbeddedIndex, open_embedded_index
from services.rag.index.interface import Chunk
from services.rag.index.words import words_of_question
from services.rag.search.rank import distinct, ranked

DIMENSIONS = 384
VOCABULARY = 20_000
WORDS = 60
CANDIDATES = 12
SHOWN = 4
BATCH = 500


class Made:
    """Chunks `number` 0 to `chunks`, dealt out to the agents in turn."""

    def __init__(self, chunks: int, agents: int) -> None:
        self.chunks = chunks
        self.agents = agents
        self._random = np.random.default_rng(7)
        # Words of a language are about this unevenly frequent (Zipf).
        frequency = 1 / np.arange(1, VOCABULARY + 1) ** 0.9
        self._frequency = frequency / frequency.sum()

    def agent(self, number: int) -> str:
        """The agent that a chunk belongs to."""
        return f"agent{number % self.agents}"

    def vector(self) -> list[float]:
        """A direction of its own."""
        vector: NDArray[np.float64] = self._random.normal(size=DIMENSIONS)
        unit: list[float] = (vector / np.linalg.norm(vector)).tolist()
        return unit

    def chunk(self, number: int) -> Chunk:
        """A text of made-up words with a code that no other chunk has."""
        words = self._random.choice(VOCABULARY, WORDS, p=self._frequency)
        text = " ".join(spelled(word) for word in words) + f" {code(number)}"
        return Chunk(
            agent_id=self.agent(number),
            source_id=f"source{number}",
            number=0,
            kind="text",
            title="",
            text=text,
        )


def code(number: int) -> str:
    """The product code in a chunk."""
    return f"VX-{number:06d}"


def spelled(word: int) -> str:
    """A made-up word of letters."""
    return "x" + "".join("bdfgklmprt"[int(digit)] for digit in str(word))


async def fill(index: EmbeddedIndex, made: Made) -> None:
    """Put all chunks."""
    for first in range(0, made.chunks, BATCH):
        numbers = range(first, min(first + BATCH, made.chunks))
        await index.put(
            [made.chunk(number) for number in numbers], [made.vector() for _ in numbers]
        )
        for number in numbers:
            await index.reveal(made.agent(number), f"source{number}", 1)


async def measure(index: EmbeddedIndex, made: Made, searches: int) -> str:
    """Search for codes; return wall and CPU time, and how often the code came out first."""
    wall, cpu, found = [], [], 0
    for number in range(0, made.chunks, max(1, made.chunks // searches)):
        question = f"magkano po ang {code(number)} {spelled(17)} {spelled(230)}?"
        vector = made.vector()
        started, busy = time.perf_counter(), time.process_time()
        words = words_of_question(question)
        hits = await index.search(made.agent(number), vector, words.all, CANDIDATES)
        best = distinct(ranked(hits, "", words), SHOWN)[0]
        cpu.append(time.process_time() - busy)
        wall.append(time.perf_counter() - started)
        found += best.hit.chunk.source_id == f"source{number}"
    return (
        f"| {made.chunks:,} | {made.agents} | {_spread(wall)} | {_spread(cpu)} "
        f"| {found / len(wall):.1%} |"
    )


def _spread(seconds: list[float]) -> str:
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return f"{cuts[49] * 1000:.2f} | {cuts[94] * 1000:.2f}"


async def run(sizes: list[tuple[int, int]], searches: int) -> None:
    """Measure each size on an index of its own."""
    print("| chunks | agents | p50 ms | p95 ms | CPU p50 ms | CPU p95 ms | code first |")
    print("|---|---|---|---|---|---|---|")
    for chunks, agents in sizes:
        made = Made(chunks, agents)
        with tempfile.TemporaryDirectory(prefix="scale-") as directory:
            opening = open_embedded_index(
                Path(directory), collection="c", dimensions=DIMENSIONS, flush_seconds=60
            )
            async with opening as index:
                await fill(index, made)
                print(await measure(index, made, searches), flush=True)


def main() -> None:
    """Read the options, fill, search, print."""
    parser = argparse.ArgumentParser(description="Search among many chunks")
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--quick", action="store_true", help="10,000 chunks only")
    options = parser.parse_args()
    sizes = [(10_000, 1)] if options.quick else [(10_000, 1), (100_000, 200), (100_000, 1)]
    asyncio.run(run(sizes, options.searches))


if __name__ == "__main__":
    main()
