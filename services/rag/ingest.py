"""The ingestion job: chunk a source, embed the chunks, put them into the index.

Every step can be done again: chunks have ids of their own, changes of the status are guarded,
events have ids. So a job that was cut off at any line is redelivered and simply starts over.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from libs.bus.bus import Bus
from libs.bus.work import Delivered
from libs.contracts.events import SourceFailed, SourceReady
from libs.contracts.sources import Source, SourceSubmitted
from libs.runtime.clock import now
from services.rag.chunk import chunks_of, chunks_of_document, chunks_of_site, embedded_text
from services.rag.content import Contents
from services.rag.crawl.websites import Websites
from services.rag.embed import Embedder
from services.rag.index.interface import Chunk, Index
from services.rag.parse.section import Unreadable
from services.rag.sources import Sources
from services.rag.store import Record, SourceStore

log = structlog.get_logger()

EMPTY = "There is no text in this source."
GAVE_UP = "The source could not be indexed after several attempts; please add it again later."

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Chunk size and overlap in characters, chunks embedded in one step, most chunks an agent."""

    chunk: int
    overlap: int
    batch: int
    most: int


class Ingestion:
    """Indexes sources."""

    def __init__(
        self,
        store: SourceStore,
        sources: Sources,
        contents: Contents,
        websites: Websites,
        embedder: Embedder,
        index: Index,
        bus: Bus,
        sizes: Sizes,
    ) -> None:
        self._store = store
        self._sources = sources
        self._contents = contents
        self._websites = websites
        self._embedder = embedder
        self._index = index
        self._bus = bus
        self._sizes = sizes

    async def ingest(self, job: Delivered[SourceSubmitted]) -> None:
        """Bring the index in line with what the store says of a source."""
        source_id = job.message.source_id
        found = await self._store.find(source_id)
        if found is not None and not found.deleting and found.source.status != "failed":
            if found.source.kind == "website" and not await self._websites.are_fetched(
                found.source
            ):
                return
            await self._index_source(found.source)
            found = await self._store.find(source_id)
        if found is None or found.deleting:
            # Deleted before or meanwhile: what was indexed of it since must go as well.
            await self._sources.clean_up(source_id)
            return
        await self._announce(found)

    async def give_up(self, job: Delivered[SourceSubmitted]) -> None:
        """End a source that failed too often as failed, with nothing of it in the index."""
        source_id = job.message.source_id
        await self._index.delete_source(source_id)
        await self._store.fail(source_id, GAVE_UP)
        found = await self._store.find(source_id)
        if found is not None and not found.deleting:
            await self._announce(found)

    async def _index_source(self, source: Source) -> None:
        if source.status == "ready" or not await self._store.advance(source.id, 0):
            return
        try:
            chunks = await self._cut(source)
        except Unreadable as error:
            await self._store.fail(source.id, str(error))
            return
        await self._store.cut(source.id, len(chunks))
        for batch in _batches(chunks, self._sizes.batch):
            await self._put(batch)
            if not await self._store.advance(source.id, batch[-1].number + 1):
                return
        # An attempt before this one may have cut the text with other settings, into more pieces.
        await self._index.trim(source.id, keep=len(chunks))
        await self._store.finish(source.id, len(chunks))

    async def _cut(self, source: Source) -> list[Chunk]:
        """Return the chunks of a source. Raises Unreadable."""
        # Cutting a long text takes the processor for a while; answers go on meanwhile.
        if source.kind == "file":
            cutting = partial(chunks_of_document, source, await self._contents.sections(source))
        elif source.kind == "website":
            cutting = partial(chunks_of_site, source, await self._websites.pages(source))
        else:
            cutting = partial(chunks_of, source)
        chunks = await asyncio.to_thread(
            cutting, size=self._sizes.chunk, overlap=self._sizes.overlap
        )
        if not chunks:
            raise Unreadable(EMPTY)
        # What an attempt before this one indexed of it is there already, and is written over.
        others = await self._index.count(source.agent_id) - source.chunks
        if others + len(chunks) > self._sizes.most:
            raise Unreadable(f"The agent would have more than {self._sizes.most} chunks with it.")
        return chunks

    async def _put(self, chunks: Sequence[Chunk]) -> None:
        vectors = await self._embedder.embed_passages([embedded_text(chunk) for chunk in chunks])
        await self._index.put(chunks, vectors)

    async def _announce(self, found: Record) -> None:
        """Publish how it ended. The event ids make a repetition one event."""
        source = found.source
        if source.status == "ready":
            await self._bus.emit(
                SourceReady(
                    event_id=f"evt_ready_{source.id}",
                    account_id=found.account_id,
                    agent_id=source.agent_id,
                    at=now(),
                    source_id=source.id,
                    chunks=source.chunks,
                )
            )
        elif source.status == "failed":
            await self._bus.emit(
                SourceFailed(
                    event_id=f"evt_failed_{source.id}",
                    account_id=found.account_id,
                    agent_id=source.agent_id,
                    at=now(),
                    source_id=source.id,
                    message=source.error or GAVE_UP,
                )
            )
        log.info("source.ingested", source_id=source.id, status=source.status, chunks=source.chunks)


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
