"""The index in this process: a Qdrant Edge shard in a directory of its own, one process at a time.

The engine is Rust behind blocking calls that hold the interpreter's lock, so threads would gain
nothing: they run here, and large ones in steps. What it acknowledged survives a kill -9 (it has a
write-ahead log); flushing keeps the replay of that log short. Optimising takes seconds, so another
process does it on a copy (live.py).
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path

import qdrant_edge as edge
from filelock import FileLock, Timeout

from libs.runtime.aside import aside
from libs.runtime.settings import SettingsError
from libs.runtime.tasks import background
from services.rag.index.chunk import words_of
from services.rag.index.interface import WORDS, Chunk, Hit, chunk_of, hidden, other_size
from services.rag.index.live import LiveShard, close
from services.rag.vector import Vector

_OTHER_SIZE = re.compile(r"expected vector size \d+, but got (\d+)")
PUT_BATCH = 200
"""Chunks written before anybody else has a turn: some milliseconds."""

COMPRESSED = edge.TurboQuantQuantizationConfig(bits=edge.TurboQuantBitSize.Bits4, always_ram=True)
RESCORED = edge.SearchParams(
    hnsw_ef=256, quantization=edge.QuantizationSearchParams(rescore=True, oversampling=4.0)
)
"""A search reads an agent's vectors at 4 bits a number, and then four times as many as are asked
for as they are: the same chunks and scores, in a third of the time. Those of a large agent that
were there when the index was optimised it finds in a graph, with 256 candidates."""

GRAPHS = edge.HnswIndexConfig(
    # Every search is for one agent: one graph for each large one, none over all of them.
    m=0,
    payload_m=16,
    ef_construct=100,
    full_scan_threshold=10_000,
    max_indexing_threads=1,
)
SEGMENTS = edge.EdgeOptimizersConfig(
    default_segment_number=1, indexing_threshold=1_000, max_segment_size=400_000
)
"""How it is optimised, sizes in KB of vectors. Bounded segments bound what is done again later."""


class EmbeddedIndex:
    """Chunks in one shard, tenants kept apart by `agent_id`."""

    def __init__(self, live: LiveShard) -> None:
        self._live = live

    async def put(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Add chunks, hidden from searches; those that are there already are replaced."""
        points = await aside(sum(len(one.text) for one in chunks), _points, chunks, vectors)
        for first in range(0, len(points), PUT_BATCH):
            batch = points[first : first + PUT_BATCH]
            await self._live.update(edge.UpdateOperation.upsert_points(batch), len(batch))
            await asyncio.sleep(0)

    async def reveal(self, agent_id: str, source_id: str, version: int) -> None:
        """Let searches find a version of a source; those before it are still found as well."""
        matching = edge.Filter(must=[_equals("source_id", source_id), _is_version(version)])
        shown = {"agent_id": agent_id}
        await self._live.update(edge.UpdateOperation.set_payload_by_filter(matching, shown))

    async def drop_version(self, source_id: str, version: int) -> None:
        """Remove all chunks of one version of a source."""
        await self._delete(_equals("source_id", source_id), _is_version(version))

    async def drop_before(self, source_id: str, version: int) -> None:
        """Remove all chunks of a source that are older than a version."""
        older = edge.FieldCondition("version", range=edge.RangeFloat(lt=version))
        await self._delete(_equals("source_id", source_id), older)

    async def delete_source(self, source_id: str) -> None:
        """Remove all chunks of a source."""
        await self._delete(_equals("source_id", source_id))

    async def delete_agent(self, agent_id: str) -> None:
        """Remove all chunks of an agent."""
        await self._delete(_of_agent(agent_id))

    async def search(
        self, agent_id: str, vector: Vector, words: Sequence[int], limit: int
    ) -> list[Hit]:
        """Return the agent's chunks nearest to a vector, and those that share the rarest words."""
        nearest = edge.Query.Nearest(vector)
        sharing = edge.Query.Nearest(edge.SparseVector(list(words), [1.0] * len(words)), WORDS)
        matching = edge.Filter(must=[_equals("agent_id", agent_id)])
        request = edge.QueryRequest(
            limit=2 * limit,
            prefetches=[
                edge.Prefetch(limit=limit, query=nearest, filter=matching, params=RESCORED),
                edge.Prefetch(limit=limit, query=sharing, filter=matching),
            ],
            query=nearest,
            params=RESCORED,
            with_payload=True,
            with_vector=[WORDS],
        )
        found = self._live.shard.query(request)
        return [Hit(chunk_of(point.payload), point.score, _words(point)) for point in found]

    async def count(self, agent_id: str, *, without: str = "") -> int:
        """Return how many chunks an agent has, hidden ones too, `without` those of a source."""
        matching = edge.Filter(must=[_of_agent(agent_id)], must_not=[_equals("source_id", without)])
        return self._live.shard.count(edge.CountRequest(exact=True, filter=matching))

    async def ping(self) -> None:
        """Raise unless the shard answers."""
        self._live.shard.info()

    async def _delete(self, *conditions: edge.FieldCondition) -> None:
        matching = edge.Filter(must=list(conditions))
        await self._live.update(edge.UpdateOperation.delete_points_by_filter(matching))


def _points(chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> list[edge.Point]:
    return [
        edge.Point(chunk.point_id, {"": vector, WORDS: words_of(chunk)}, chunk.hidden_payload)
        for chunk, vector in zip(chunks, vectors, strict=True)
    ]


def _words(point: edge.ScoredPoint) -> frozenset[int]:
    found = point.vector.get(WORDS) if isinstance(point.vector, dict) else None
    return frozenset(found.indices) if isinstance(found, edge.SparseVector) else frozenset()


def _equals(key: str, value: str) -> edge.FieldCondition:
    return edge.FieldCondition(key, match=edge.MatchValue(value))


def _of_agent(agent_id: str) -> edge.FieldCondition:
    return edge.FieldCondition("agent_id", match=edge.MatchAny([agent_id, hidden(agent_id)]))


def _is_version(version: int) -> edge.FieldCondition:
    return edge.FieldCondition("version", match=edge.MatchValue(version))


@asynccontextmanager
async def open_embedded_index(
    directory: Path,
    *,
    collection: str,
    dimensions: int,
    flush_seconds: float,
    optimise_every: int = 0,
) -> AsyncIterator[EmbeddedIndex]:
    """Open or create the index in a directory, flush it now and then, close it at the end.

    It is optimised whenever `optimise_every` vectors were added; 0 is never. Raises SettingsError
    when another process has it open or another model made it.
    """
    with _alone(directory):
        live = LiveShard(directory / collection, partial(_open_shard, dimensions=dimensions))
        index = EmbeddedIndex(live)
        async with AsyncExitStack() as stack:
            stack.callback(live.close)
            loops = [("flush", live.flush)]
            if optimise_every:
                loops.append(("optimise", partial(live.optimise_after, optimise_every)))
            for name, step in loops:
                await stack.enter_async_context(background(name, step, every=flush_seconds))
            yield index


@contextmanager
def _alone(directory: Path) -> Iterator[None]:
    """Hold the directory for this process. The lock goes with the process, however that ends."""
    directory.mkdir(parents=True, exist_ok=True)
    lock = FileLock(directory / "in-use.lock", timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise SettingsError(
            f"The embedded index in {directory} is in use by another process: stop that one, set "
            f"DATA_DIR to another directory, or set QDRANT_URL to share one index."
        ) from error
    try:
        yield
    finally:
        lock.release()


def _open_shard(path: Path, dimensions: int) -> edge.EdgeShard:
    vectors = edge.EdgeVectorParams(
        size=dimensions, distance=edge.Distance.Cosine, quantization_config=COMPRESSED
    )
    config = edge.EdgeConfig(vectors=vectors, hnsw_config=GRAPHS, optimizers=SEGMENTS)
    if not path.exists():
        _create_shard(path, config)
    try:
        shard = edge.EdgeShard.load(str(path), config)
    except Exception as error:  # the engine raises nothing more exact
        sizes = _OTHER_SIZE.search(str(error))
        if sizes:
            raise SettingsError(other_size(f"The index {path}", sizes[1], dimensions)) from error
        raise SettingsError(f"The index {path} can't be opened: {error}") from error
    # Also for one of an older release, whose chunks have no words until they are put again.
    shard.update(edge.UpdateOperation.create_sparse_vector(WORDS, modifier=edge.Modifier.Idf))
    return shard


def _create_shard(path: Path, config: edge.EdgeConfig) -> None:
    """Create a shard under another name first: one that exists is complete, kill -9 or not."""
    unfinished = path.with_name(f"{path.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    shard = edge.EdgeShard.create(str(unfinished), config)
    tenant = edge.KeywordIndexParams(is_tenant=True)
    shard.update(edge.UpdateOperation.create_field_index("agent_id", tenant))
    source = edge.PayloadSchemaType.Keyword
    shard.update(edge.UpdateOperation.create_field_index("source_id", source))
    close(shard)
    unfinished.rename(path)
