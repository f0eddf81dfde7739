"""The embedded index while another process optimises a copy of it, and killed at any time."""

import asyncio
import random
import shutil
import signal
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import numpy as np
import pytest

from libs.runtime.settings import SettingsError
from services.rag.index.embedded import EmbeddedIndex
from services.rag.index.interface import Chunk
from services.rag.index.live import live_directory
from tests.support.index_points import Vectors, chunks, opened, some_vectors
from tests.waiting import eventually

pytestmark = pytest.mark.slow

MANY = 12_000
"""Enough of one agent for a graph: 10 MB of vectors are read one by one instead."""


def directories(directory: Path) -> list[Path]:
    """Return the shards that there are, live or not."""
    return [path for path in directory.iterdir() if path.is_dir()]


async def until_replaced(directory: Path) -> None:
    """Wait until an optimised copy is the live shard, and nothing else is left."""
    pointer = directory / "c.live"

    async def replaced() -> bool:
        return pointer.exists() and directories(directory) == [directory / pointer.read_text()]

    await eventually(replaced)


async def until_copied(directory: Path) -> None:
    """Wait until there is a second shard."""

    async def copied() -> bool:
        return len(directories(directory)) == 2

    await eventually(copied)


async def put(index: EmbeddedIndex, added: list[Chunk], vectors: list[list[float]]) -> None:
    """Put chunks of one source where searches find them."""
    await index.put(added, vectors)
    await index.reveal("a1", added[0].source_id, 1)


async def recall(index: EmbeddedIndex, vectors: Vectors, questions: Vectors) -> float:
    """Return the share of the four nearest that a search finds. Chunk n has vector n."""
    found = 0
    for question in questions:
        nearest = set(np.argsort(-(vectors @ question))[:4].tolist())
        hits = await index.search("a1", question.tolist(), [], 4)
        found += len({hit.chunk.number for hit in hits} & nearest)
    return found / (4 * len(questions))


async def test_searches_go_on_and_find_the_same(tmp_path: Path) -> None:
    """Before, during and after optimising a search finds what an exact one does."""
    vectors, questions = some_vectors(MANY), some_vectors(40, seed=8)
    async with opened(tmp_path, every=MANY) as index:
        await put(index, chunks(range(MANY)), vectors.tolist())
        done = asyncio.create_task(until_replaced(tmp_path))
        during = []
        while not done.done():
            during.append(await recall(index, vectors, questions[:5]))
            await asyncio.sleep(0)
        await done
        assert min(during) >= 0.9
        assert await recall(index, vectors, questions) >= 0.98
    async with opened(tmp_path) as index:
        assert await recall(index, vectors, questions) >= 0.98
        assert await index.count("a1") == MANY


async def test_what_was_added_before_a_restart_counts(tmp_path: Path) -> None:
    """A process that never added enough at once optimises all the same, and then is content."""
    vectors = some_vectors(1_200).tolist()
    async with opened(tmp_path) as index:
        await put(index, chunks(range(1_000), text="A lamp of brass"), vectors[:1_000])
    async with opened(tmp_path, every=1_000):
        await until_replaced(tmp_path)
    optimised = (tmp_path / "c.live").read_text()
    async with opened(tmp_path, every=1_000) as index:
        await put(index, chunks(range(1_000, 1_200), text="A lamp of glass"), vectors[1_000:])
    assert (tmp_path / "c.live").read_text() == optimised
    async with opened(tmp_path, every=200):
        await eventually(lambda: changed(tmp_path, optimised))


async def changed(directory: Path, live: str) -> bool:
    """Whether another shard is the live one."""
    return (directory / "c.live").read_text() != live


async def test_what_is_written_meanwhile_is_there_afterwards(tmp_path: Path) -> None:
    """Additions, replacements and deletions made during optimising are in the new shard."""
    vectors = some_vectors(4_000).tolist()
    async with opened(tmp_path, every=3_000) as index:
        await put(index, chunks(range(3_000)), vectors[:3_000])
        await put(index, chunks(range(2), source="gone"), vectors[:2])
        await until_copied(tmp_path)
        assert not (tmp_path / "c.live").exists()
        await put(index, chunks(range(3_000, 3_040)), vectors[3_000:3_040])
        await put(index, chunks(range(1), text="replaced"), vectors[3_100:3_101])
        await index.delete_source("gone")
        await until_replaced(tmp_path)
        await check_what_was_written(index, vectors)
    async with opened(tmp_path) as index:
        await check_what_was_written(index, vectors)


async def check_what_was_written(index: EmbeddedIndex, vectors: list[list[float]]) -> None:
    """Check the state after the writes of the test above."""
    assert await index.count("a1") == 3_040
    (replaced,) = await index.search("a1", vectors[3_100], [], 1)
    assert (replaced.chunk.number, replaced.chunk.text) == (0, "replaced")
    (added,) = await index.search("a1", vectors[3_039], [], 1)
    assert (added.chunk.number, round(added.score, 3)) == (3_039, 1.0)


async def test_an_attempt_is_given_up_when_too_much_is_written(tmp_path: Path) -> None:
    """The old shard stays with all writes, and a later attempt succeeds."""
    vectors = some_vectors(5_000).tolist()
    async with opened(tmp_path, every=1_000) as index:
        for first in range(0, 5_000, 1_000):  # each thousand is more than an attempt may miss
            await put(index, chunks(range(first, first + 1_000)), vectors[first : first + 1_000])
        await until_replaced(tmp_path)
        assert await index.count("a1") == 5_000


async def test_the_old_index_goes_on_when_optimising_fails(tmp_path: Path) -> None:
    """An unreadable file in the copied directory ends the attempt, not the index."""
    vectors = some_vectors(3_000).tolist()
    async with opened(tmp_path) as index:
        await put(index, chunks(range(10)), vectors[:10])
    config = tmp_path / "c" / "edge_config.json"
    async with opened(tmp_path, every=1_000) as index:
        kept = config.read_bytes()
        config.write_bytes(b"damaged")
        await put(index, chunks(range(2_000)), vectors[:2_000])
        await until_copied(tmp_path)

        async def given_up() -> bool:
            return directories(tmp_path) == [tmp_path / "c"]

        await eventually(given_up)
        assert not (tmp_path / "c.live").exists()
        assert await index.count("a1") == 2_000
        config.write_bytes(kept)
        await put(index, chunks(range(2_000, 3_000)), vectors[2_000:])
        await until_replaced(tmp_path)
        assert await index.count("a1") == 3_000


async def test_closing_ends_the_attempt(tmp_path: Path) -> None:
    """An index closed while it is optimised leaves one directory, which opens again."""
    async with opened(tmp_path, every=1_000) as index:
        await put(index, chunks(range(3_000)), some_vectors(3_000).tolist())
        await until_copied(tmp_path)
    assert directories(tmp_path) == [tmp_path / "c"]
    async with opened(tmp_path) as index:
        assert await index.count("a1") == 3_000


async def test_a_live_directory_that_is_gone_is_one_sentence(tmp_path: Path) -> None:
    """A shard that was removed by hand is not taken for an empty index."""
    async with opened(tmp_path, every=1_000) as index:
        await put(index, chunks(range(1_000)), some_vectors(1_000).tolist())
        await until_replaced(tmp_path)
    shutil.rmtree(live_directory(tmp_path / "c"))
    with pytest.raises(SettingsError, match=r"c\.live says that the index is in .* not there"):
        async with opened(tmp_path):
            pass


WRITER = """
import asyncio, sys
from pathlib import Path
from tests.support.index_points import chunks, opened, some_vectors

async def main():
    vectors = some_vectors(1_000).tolist()
    first = int(sys.argv[2])
    async with opened(Path(sys.argv[1]), every=200) as index:
        for number in range(first, first + 1_000_000):
            await index.put(chunks(range(number, number + 1)), [vectors[number % 1_000]])
            if number % 50 == 49:
                await index.delete_source("other")
                await index.put(chunks(range(number, number + 1), "other"), [vectors[0]])
            print(number, flush=True)
            await asyncio.sleep(0.002)

asyncio.run(main())
"""


async def killed_writer(directory: Path, first: int, seconds: float) -> int:
    """Let a process write from a number on and optimise again and again; kill it; return the last.

    Returns the last number that it acknowledged, or the one before the first.
    """
    writer: Process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(directory), str(first), stdout=PIPE
    )
    assert writer.stdout is not None
    begun = int(await writer.stdout.readline())
    assert begun == first
    reading = asyncio.create_task(writer.stdout.read())
    await asyncio.sleep(seconds)
    writer.send_signal(signal.SIGKILL)
    acknowledged = (await reading).split(b"\n")[:-1]
    await writer.wait()
    return int(acknowledged[-1]) if acknowledged else begun


async def test_kill_9_at_any_time_loses_nothing(tmp_path: Path) -> None:
    """However often a writing, optimising process is killed, all that it acknowledged is there."""
    moments = random.Random(5)
    last, replaced = -1, set()
    for _ in range(8):
        last = await killed_writer(tmp_path, last + 1, seconds=moments.uniform(0.1, 2.5))
        pointer = tmp_path / "c.live"
        replaced |= {pointer.read_text()} if pointer.exists() else set()
        async with opened(tmp_path) as index:
            found = await index.count("a1")
            # The write that was under way may be there; of the other source there is one or none.
            assert last + 1 <= found <= last + 3
            await index.delete_source("other")
            assert last + 1 <= await index.count("a1") <= last + 2
        assert directories(tmp_path) == [live_directory(tmp_path / "c")]
    assert len(replaced) >= 2, "nothing was replaced between the kills"
