"""The index on a Qdrant server or cluster."""

from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager

import httpx
import qdrant_edge as edge
from qdrant_client import AsyncQdrantClient, models
from qdrant_client.http.exceptions import (
    ApiException,
    ResponseHandlingException,
    UnexpectedResponse,
)
from stamina import retry_context

from libs.bus.errors import ServiceUnavailable
from libs.runtime.aside import aside
from libs.runtime.settings import SettingsError
from services.rag.index.chunk import words_of
from services.rag.index.interface import WORDS, Chunk, Hit, chunk_of, hidden, other_size
from services.rag.vector import Vector

START_PATIENCE = 30.0
"""Seconds to wait for the server when rag starts."""


def _points(chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> list[models.PointStruct]:
    return [
        models.PointStruct(
            id=chunk.point_id,
            vector={"": vector, WORDS: _sparse(words_of(chunk))},
            payload=chunk.hidden_payload,
        )
        for chunk, vector in zip(chunks, vectors, strict=True)
    ]


class ServerIndex:
    """Chunks in one collection, tenants kept apart by `agent_id`."""

    def __init__(self, client: AsyncQdrantClient, collection: str) -> None:
        self._client = client
        self._collection = collection

    async def put(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Add chunks, hidden from searches; those that are there already are replaced."""
        points = await aside(sum(len(one.text) for one in chunks), _points, chunks, vectors)
        with _reporting_outages():
            await self._client.upsert(self._collection, points, wait=True)

    async def reveal(self, agent_id: str, source_id: str, version: int) -> None:
        """Let searches find a version of a source; those before it are still found as well."""
        matching = models.Filter(must=[_equals("source_id", source_id), _is_version(version)])
        with _reporting_outages():
            await self._client.set_payload(
                self._collection, {"agent_id": agent_id}, matching, wait=True
            )

    async def drop_version(self, source_id: str, version: int) -> None:
        """Remove all chunks of one version of a source."""
        await self._delete(_equals("source_id", source_id), _is_version(version))

    async def drop_before(self, source_id: str, version: int) -> None:
        """Remove all chunks of a source that are older than a version."""
        older = models.FieldCondition(key="version", range=models.Range(lt=version))
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
        sharing = models.SparseVector(indices=list(words), values=[1.0] * len(words))
        matching = models.Filter(must=[_equals("agent_id", agent_id)])
        with _reporting_outages():
            found = await self._client.query_points(
                self._collection,
                prefetch=[
                    models.Prefetch(query=vector, filter=matching, limit=limit),
                    models.Prefetch(query=sharing, using=WORDS, filter=matching, limit=limit),
                ],
                query=vector,
                limit=2 * limit,
                with_payload=True,
                with_vectors=[WORDS],
            )
        return [Hit(chunk_of(point.payload), point.score, _words(point)) for point in found.points]

    async def count(self, agent_id: str, *, without: str = "") -> int:
        """Return how many chunks an agent has, hidden ones too, `without` those of a source."""
        matching = models.Filter(
            must=[_of_agent(agent_id)], must_not=[_equals("source_id", without)]
        )
        with _reporting_outages():
            return (await self._client.count(self._collection, matching, exact=True)).count

    async def ping(self) -> None:
        """Raise unless the server answers and has the collection."""
        await self._client.get_collection(self._collection)

    async def _delete(self, *conditions: models.FieldCondition) -> None:
        selector = models.FilterSelector(filter=models.Filter(must=list(conditions)))
        with _reporting_outages():
            await self._client.delete(self._collection, selector, wait=True)


@contextmanager
def _reporting_outages() -> Iterator[None]:
    """Raise ServiceUnavailable when the server can't be reached: a worker then waits for it."""
    try:
        yield
    except ResponseHandlingException as error:
        if not isinstance(error.source, httpx.TransportError):  # a response, but an odd one
            raise
        raise ServiceUnavailable("qdrant") from error


def _sparse(words: edge.SparseVector) -> models.SparseVector:
    return models.SparseVector(indices=words.indices, values=words.values)


def _words(point: models.ScoredPoint) -> frozenset[int]:
    found = point.vector.get(WORDS) if isinstance(point.vector, dict) else None
    return frozenset(found.indices) if isinstance(found, models.SparseVector) else frozenset()


def _equals(key: str, value: str) -> models.FieldCondition:
    return models.FieldCondition(key=key, match=models.MatchValue(value=value))


def _of_agent(agent_id: str) -> models.FieldCondition:
    either = models.MatchAny(any=[agent_id, hidden(agent_id)])
    return models.FieldCondition(key="agent_id", match=either)


def _is_version(version: int) -> models.FieldCondition:
    return models.FieldCondition(key="version", match=models.MatchValue(value=version))


@asynccontextmanager
async def open_server_index(
    url: str,
    *,
    api_key: str | None,
    timeout: int,
    collection: str,
    dimensions: int,
    patience: float = START_PATIENCE,
) -> AsyncIterator[ServerIndex]:
    """Connect and create the collection if need be. Raises SettingsError when that can't work."""
    client = AsyncQdrantClient(
        # The client would ask for the server's version while it is being built, blocking.
        url=url,
        api_key=api_key,
        timeout=timeout,
        check_compatibility=False,
    )
    try:
        await _wait_for(client, url, patience)
        await ensure_collection(client, collection, dimensions)
        yield ServerIndex(client, collection)
    finally:
        await client.close()


async def _wait_for(client: AsyncQdrantClient, url: str, patience: float) -> None:
    try:
        async for attempt in retry_context(
            on=ApiException, attempts=None, timeout=patience, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                await client.get_collections()
    except ApiException as error:
        raise SettingsError(f"Qdrant at QDRANT_URL={url} does not answer: {error}") from error


async def ensure_collection(client: AsyncQdrantClient, collection: str, dimensions: int) -> None:
    """Create the collection and its payload indexes; safe from several processes at once.

    Raises SettingsError when the collection was made for another vector size.
    """
    if not await client.collection_exists(collection):
        await _create_collection(client, collection, dimensions)
    info = await client.get_collection(collection)
    vectors = info.config.params.vectors
    if not isinstance(vectors, models.VectorParams) or vectors.size != dimensions:
        existing = str(vectors.size) if isinstance(vectors, models.VectorParams) else "other"
        raise SettingsError(other_size(f"The Qdrant collection {collection}", existing, dimensions))
    if WORDS not in (info.config.params.sparse_vectors or {}):
        # One of an older release: its chunks have no words until they are put again.
        words = models.SparseVectorNameConfig(
            sparse=models.SparseVectorConfig(modifier=models.Modifier.IDF)
        )
        await client.create_vector_name(collection, WORDS, words)
    tenant = models.KeywordIndexParams(type=models.KeywordIndexType.KEYWORD, is_tenant=True)
    await client.create_payload_index(collection, "agent_id", tenant)
    await client.create_payload_index(collection, "source_id", models.PayloadSchemaType.KEYWORD)


async def _create_collection(client: AsyncQdrantClient, collection: str, dimensions: int) -> None:
    try:
        await client.create_collection(
            collection,
            vectors_config=models.VectorParams(size=dimensions, distance=models.Distance.COSINE),
            sparse_vectors_config={WORDS: models.SparseVectorParams(modifier=models.Modifier.IDF)},
            # Every search is for one agent: one graph per agent, none over all of them.
            hnsw_config=models.HnswConfigDiff(m=0, payload_m=16),
        )
    except UnexpectedResponse as error:
        if error.status_code != 409:  # another process was faster
            raise
