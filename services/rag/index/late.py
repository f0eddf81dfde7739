"""The index while the size of its vectors is not known: the embedding server was not there.

Nothing can be put or found without it either, so all that is asked of the index is an outage, which
is waited for, until the server appears; then the real index is opened.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import structlog

from libs.bus.errors import ServiceUnavailable
from libs.runtime.tasks import background
from services.rag.index.interface import Chunk, Hit, Index
from services.rag.vector import Vector

log = structlog.get_logger()


class LateIndex:
    """An index that is opened later. Raises ServiceUnavailable until then."""

    def __init__(self) -> None:
        self._opened: Index | None = None
        self._failure: Exception | None = None

    async def put(self, chunks: Sequence[Chunk], vectors: Sequence[Vector]) -> None:
        """Add chunks, hidden from searches; those that are there already are replaced."""
        await self._index.put(chunks, vectors)

    async def reveal(self, agent_id: str, source_id: str, version: int) -> None:
        """Let searches find a version of a source; those before it are still found as well."""
        await self._index.reveal(agent_id, source_id, version)

    async def drop_version(self, source_id: str, version: int) -> None:
        """Remove all chunks of one version of a source."""
        await self._index.drop_version(source_id, version)

    async def drop_before(self, source_id: str, version: int) -> None:
        """Remove all chunks of a source that are older than a version."""
        await self._index.drop_before(source_id, version)

    async def delete_source(self, source_id: str) -> None:
        """Remove all chunks of a source."""
        await self._index.delete_source(source_id)

    async def delete_agent(self, agent_id: str) -> None:
        """Remove all chunks of an agent."""
        await self._index.delete_agent(agent_id)

    async def search(
        self, agent_id: str, vector: Vector, words: Sequence[int], limit: int
    ) -> list[Hit]:
        """Return the agent's chunks nearest to a vector, and those that share the rarest words."""
        return await self._index.search(agent_id, vector, words, limit)

    async def count(self, agent_id: str, *, without: str = "") -> int:
        """Return how many chunks an agent has, hidden ones too, `without` those of a source."""
        return await self._index.count(agent_id, without=without)

    async def ping(self) -> None:
        """Raise unless the index answers."""
        if self._failure is not None:
            raise self._failure
        await self._index.ping()

    async def hold(self, opening: Callable[[], AbstractAsyncContextManager[Index]]) -> None:
        """Open the real index and hold it open until cancelled. Raises what opening it does."""
        try:
            async with opening() as index:
                self._opened, self._failure = index, None
                log.info("index.opened")
                await asyncio.Event().wait()
        except Exception as error:
            self._failure = error
            raise
        finally:
            self._opened = None

    @property
    def _index(self) -> Index:
        if self._opened is None:
            raise ServiceUnavailable("the index, which waits for the embedding server,")
        return self._opened


@asynccontextmanager
async def open_late(
    known: Callable[[], Awaitable[None]],
    opening: Callable[[], AbstractAsyncContextManager[Index]],
) -> AsyncIterator[LateIndex]:
    """Hand out an index that is opened once `known` has returned."""
    index = LateIndex()

    async def wait_and_hold() -> None:
        await known()
        await index.hold(opening)

    async with background("late_index", wait_and_hold, every=0):
        yield index
