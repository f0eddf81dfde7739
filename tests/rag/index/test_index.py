"""One behaviour suite over both index engines, and what is peculiar to each."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient

from libs.runtime.ids import new_id
from libs.runtime.settings import SettingsError
from services.rag.index.embedded import EmbeddedIndex, open_embedded_index
from services.rag.index.interface import Chunk, Index
from services.rag.index.server import ServerIndex, ensure_collection, open_server_index
from services.rag.index.words import words_of_question
from services.rag.vector import Vector

# The in-memory server has no payload indexes and says so; the real one has.
pytestmark = pytest.mark.filterwarnings("ignore:Payload indexes have no effect:UserWarning")

EAST, NORTH, BETWEEN = [1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.8, 0.6, 0.0]


def chunk(
    source: str = "s1", number: int = 0, agent: str = "a1", text: str = "…", version: int = 1
) -> Chunk:
    """A chunk with little in it."""
    return Chunk(
        agent_id=agent,
        source_id=source,
        version=version,
        number=number,
        kind="text",
        title="Título",
        text=text,
    )


async def put(index: Index, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
    """Put chunks where searches find them."""
    await index.put(chunks, vectors)
    for one in {(chunk.agent_id, chunk.source_id, chunk.version) for chunk in chunks}:
        await index.reveal(*one)


async def versions(index: Index) -> list[int]:
    """The versions of the chunks that a search finds."""
    return sorted(hit.chunk.version for hit in await index.search("a1", EAST, [], 9))


async def open_embedded(stack: AsyncExitStack, directory: Path) -> EmbeddedIndex:
    """Open an embedded index of three dimensions."""
    opening = open_embedded_index(directory, collection="c", dimensions=3, flush_seconds=60)
    return await stack.enter_async_context(opening)


async def open_server(stack: AsyncExitStack) -> ServerIndex:
    """Open an index on QDRANT_URL, else on qdrant-client's engine in memory."""
    collection = new_id("test")
    url = os.environ.get("QDRANT_URL")
    if url:
        opening = open_server_index(
            url, api_key=None, timeout=10, collection=collection, dimensions=3
        )
        index = await stack.enter_async_context(opening)
        client = AsyncQdrantClient(url, check_compatibility=False)
        stack.push_async_callback(client.close)
        stack.push_async_callback(client.delete_collection, collection)
        return index
    client = AsyncQdrantClient(":memory:")
    stack.push_async_callback(client.close)
    await ensure_collection(client, collection, 3)
    return ServerIndex(client, collection)


@pytest.fixture(params=["embedded", "server"])
async def index(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Index]:
    """An empty index of either kind."""
    async with AsyncExitStack() as stack:
        if request.param == "embedded":
            yield await open_embedded(stack, tmp_path)
        else:
            yield await open_server(stack)


async def test_nearest_comes_first_with_its_cosine(index: Index) -> None:
    """The best match is first, its score is the cosine, and the chunk comes back as it was."""
    first, second = chunk(number=0, text="silangan"), chunk(number=1, text="hilaga ☀")
    await put(index, [first, second], [EAST, NORTH])
    hits = await index.search("a1", BETWEEN, [], limit=5)
    assert [hit.chunk for hit in hits] == [first, second]
    assert [hit.score for hit in hits] == pytest.approx([0.8, 0.6], abs=1e-5)


async def test_search_stays_within_the_agent(index: Index) -> None:
    """Another agent's better match is not found, not even to fill the limit."""
    await put(index, [chunk(agent="a1"), chunk("s2", agent="a2")], [NORTH, EAST])
    hits = await index.search("a1", EAST, [], limit=5)
    assert [hit.chunk.agent_id for hit in hits] == ["a1"]


async def test_limit_is_kept(index: Index) -> None:
    """No more hits come back than asked for."""
    await put(index, [chunk(number=number) for number in range(5)], [EAST] * 5)
    assert len(await index.search("a1", EAST, [], limit=2)) == 2


async def test_a_code_is_found_among_nearer_chunks(index: Index) -> None:
    """What shares a rare word is found though others are nearer, and with its cosine."""
    others = [chunk(number=number, text=f"Item {number} is in stock") for number in range(20)]
    wanted = chunk("s2", text="Item VLT-PB30-GRY is in stock")
    await put(index, [*others, wanted], [EAST] * 20 + [BETWEEN])
    words = words_of_question("is vlt-pb30-gry in stock?").all
    hits = await index.search("a1", EAST, words, limit=3)
    found = {hit.chunk.source_id: hit for hit in hits}
    assert found["s2"].score == pytest.approx(0.8, abs=1e-5)
    assert found["s2"].words >= set(words)
    assert len(hits) <= 6
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)


async def test_words_of_another_agent_are_not_found(index: Index) -> None:
    """The search by words stays within the agent too."""
    await put(
        index, [chunk(text="plain"), chunk("s2", agent="a2", text="VLT-PB30-GRY")], [NORTH, EAST]
    )
    hits = await index.search("a1", EAST, words_of_question("VLT-PB30-GRY").all, limit=3)
    assert [hit.chunk.source_id for hit in hits] == ["s1"]


async def test_nothing_is_found_for_an_unknown_agent(index: Index) -> None:
    """An agent without chunks gets an empty list."""
    assert await index.search("nobody", EAST, [], limit=4) == []
    assert await index.count("nobody") == 0


async def test_putting_again_replaces(index: Index) -> None:
    """A chunk with the same source and number takes the place of the old one."""
    await put(index, [chunk(text="old")], [EAST])
    await put(index, [chunk(text="new")], [NORTH])
    hits = await index.search("a1", NORTH, [], limit=5)
    assert [(hit.chunk.text, round(hit.score, 3)) for hit in hits] == [("new", 1.0)]


async def test_what_was_put_is_hidden_until_revealed(index: Index) -> None:
    """No search finds a version before it is revealed; others of the agent are found."""
    await put(index, [chunk("s2")], [NORTH])
    await index.put([chunk(number=0), chunk(number=1)], [EAST] * 2)
    assert [hit.chunk.source_id for hit in await index.search("a1", EAST, [], 9)] == ["s2"]
    assert await index.count("a1") == 3
    await index.reveal("a1", "s1", 1)
    found = await index.search("a1", EAST, [], 9)
    assert {hit.chunk for hit in found[:2]} == {chunk(number=0), chunk(number=1)}


async def test_a_new_version_takes_the_place_of_the_old(index: Index) -> None:
    """At every step one of the two is found, and in the end the new one alone."""
    await put(index, [chunk(number=0), chunk(number=1)], [EAST] * 2)
    await index.put([chunk(version=2)], [EAST])
    assert await versions(index) == [1, 1]
    await index.reveal("a1", "s1", 2)
    assert await versions(index) == [1, 1, 2]
    await index.drop_before("s1", 2)
    assert await versions(index) == [2]


async def test_a_version_that_came_to_nothing_leaves_the_one_before(index: Index) -> None:
    """Dropping a version drops nothing else, of this source or of another."""
    await put(index, [chunk()], [EAST])
    await put(index, [chunk("s2", version=2)], [EAST])
    await index.put([chunk(version=2)], [EAST])
    await index.drop_version("s1", 2)
    assert (await versions(index), await index.count("a1")) == ([1, 2], 2)


async def test_an_agents_chunks_are_counted_without_a_source(index: Index) -> None:
    """All versions of the source are left out, the hidden chunks of others are not."""
    await put(index, [chunk()], [EAST])
    await index.put([chunk(version=2), chunk("s2"), chunk("s3", agent="a2")], [EAST] * 3)
    assert (await index.count("a1"), await index.count("a1", without="s1")) == (3, 1)


async def test_deleting_a_source_leaves_the_others(index: Index) -> None:
    """All chunks of a source go, those of others stay; again does no harm."""
    await put(index, [chunk(), chunk(number=1), chunk("s2")], [EAST] * 3)
    await index.delete_source("s1")
    await index.delete_source("s1")
    assert [hit.chunk.source_id for hit in await index.search("a1", EAST, [], 9)] == ["s2"]


async def test_deleting_an_agent_leaves_the_others(index: Index) -> None:
    """All chunks of an agent go, those of others stay."""
    await put(index, [chunk(), chunk("s2"), chunk("s3", agent="a2")], [EAST] * 3)
    await index.delete_agent("a1")
    assert (await index.count("a1"), await index.count("a2")) == (0, 1)


async def test_ping_answers(index: Index) -> None:
    """A working index raises nothing."""
    await index.ping()


async def test_server_collection_of_another_model_is_refused() -> None:
    """A vector size that is not the collection's is one clear sentence."""
    client = AsyncQdrantClient(":memory:")
    await ensure_collection(client, "chunks", 3)
    with pytest.raises(SettingsError, match=r"chunks holds vectors of 3 numbers .* makes 4"):
        await ensure_collection(client, "chunks", 4)
    await client.close()


async def test_server_that_is_away_is_one_sentence() -> None:
    """A Qdrant server that does not answer ends the start with its URL in the message."""
    opening = open_server_index(
        "http://127.0.0.1:9", api_key=None, timeout=1, collection="c", dimensions=3, patience=0.3
    )
    with pytest.raises(SettingsError, match=r"QDRANT_URL=http://127\.0\.0\.1:9 does not answer"):
        await opening.__aenter__()


async def test_embedded_index_of_another_model_is_refused(tmp_path: Path) -> None:
    """A vector size that is not the shard's is one clear sentence."""
    async with AsyncExitStack() as stack:
        await open_embedded(stack, tmp_path)
    other = open_embedded_index(tmp_path, collection="c", dimensions=4, flush_seconds=60)
    with pytest.raises(SettingsError, match=r"holds vectors of 3 numbers .* makes 4"):
        await other.__aenter__()


async def test_embedded_index_of_an_older_release_learns_words(tmp_path: Path) -> None:
    """A shard without words keeps its chunks, and finds by words what is put from then on."""
    vectors = edge.EdgeVectorParams(size=3, distance=edge.Distance.Cosine)
    shard = edge.EdgeShard.create(str(tmp_path / "c"), edge.EdgeConfig(vectors=vectors))
    old = chunk(text="PB-30K")
    shard.update(edge.UpdateOperation.upsert_points([edge.Point(old.point_id, EAST, asdict(old))]))
    shard.flush()
    shard.close()
    async with AsyncExitStack() as stack:
        index = await open_embedded(stack, tmp_path)
        await put(index, [chunk(number=1, text="PB-30K")], [NORTH])
        hits = await index.search("a1", EAST, words_of_question("PB-30K").all, limit=5)
        assert [(hit.chunk.number, bool(hit.words)) for hit in hits] == [(0, False), (1, True)]


async def test_embedded_index_has_one_owner(tmp_path: Path) -> None:
    """A second opening of the directory is refused while the first lasts, and works after."""
    async with AsyncExitStack() as stack:
        await open_embedded(stack, tmp_path)
        with pytest.raises(SettingsError, match="in use by another process"):
            await open_embedded(stack, tmp_path)
    async with AsyncExitStack() as stack:
        await open_embedded(stack, tmp_path)


async def test_embedded_index_is_there_after_reopening(tmp_path: Path) -> None:
    """What was put is found by the next process."""
    async with AsyncExitStack() as stack:
        await put(await open_embedded(stack, tmp_path), [chunk()], [EAST])
    async with AsyncExitStack() as stack:
        assert await (await open_embedded(stack, tmp_path)).count("a1") == 1


async def test_embedded_index_flushes_while_it_is_open(tmp_path: Path) -> None:
    """The periodic flush goes on beside reads and writes."""
    opening = open_embedded_index(tmp_path, collection="c", dimensions=3, flush_seconds=0.01)
    async with opening as index:
        for number in range(50):
            await put(index, [chunk(number=number)], [EAST])
        assert await index.count("a1") == 50


WRITER = """
import asyncio, sys
from pathlib import Path
from services.rag.index.embedded import open_embedded_index
from services.rag.index.interface import Chunk

async def main():
    opening = open_embedded_index(Path(sys.argv[1]), collection="c", dimensions=3, flush_seconds=60)
    async with opening as index:
        for number in range(100):
            chunk = Chunk(agent_id="a1", source_id="s1", number=number, kind="text",
                          title="", text="")
            await index.put([chunk], [[1.0, 0.0, 0.0]])
        print("written", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


async def test_embedded_index_survives_kill_9(tmp_path: Path) -> None:
    """After a kill -9 of its process every acknowledged chunk is found, and the lock is free."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(tmp_path), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    assert await writer.stdout.readline() == b"written\n"
    writer.send_signal(signal.SIGKILL)
    await writer.communicate()
    async with AsyncExitStack() as stack:
        assert await (await open_embedded(stack, tmp_path)).count("a1") == 100


async def test_the_embedded_index_finds_what_an_exact_search_finds(tmp_path: Path) -> None:
    """It searches compressed vectors: the same chunks come out, with their exact scores."""
    rng = np.random.default_rng(7)
    topics = rng.normal(size=(40, 384))
    vectors = topics[rng.integers(0, 40, 2_000)] + 0.7 * rng.normal(size=(2_000, 384))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    questions = vectors[::40] + 0.02 * rng.normal(size=(50, 384))
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    opening = open_embedded_index(tmp_path, collection="c", dimensions=384, flush_seconds=60)
    async with opening as index:
        await put(index, [chunk(number=n) for n in range(2_000)], vectors.tolist())
        found = [await index.search("a1", question.tolist(), [], limit=4) for question in questions]
    for question, hits in zip(questions, found, strict=True):
        cosines = vectors @ question
        assert [hit.chunk.number for hit in hits] == np.argsort(-cosines)[:4].tolist()
        assert [hit.score for hit in hits] == pytest.approx(np.sort(cosines)[::-1][:4], abs=1e-5)
