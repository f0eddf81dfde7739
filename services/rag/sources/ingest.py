"""The ingestion job: chunk a source, embed the chunks, put them into the index.

Every step can be done again: chunks have ids of their own, changes of the status are guarded by the
version, events have ids. So a job that was cut off at any line is redelivered and goes on where the
first stood. The chunks of a version are hidden until all of them are in the index; then they are
revealed, the document says so, and only then those of the version before go.
"""

import asyncio
import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.bus.queues import (
    MAX_ATTEMPTS,
    OUTAGES,
    RETRY_DELAYS,
    Delivered,
    GiveUp,
    RetryLater,
    TakenOver,
)
from libs.contracts.events import SourceFailed, SourceReady
from libs.contracts.sources import Note, Source, SourceSubmitted
from libs.runtime.clock import now
from services.rag.embed.errors import Away, EmbeddingError, EmbeddingUnavailable
from services.rag.embed.interface import Embedder
from services.rag.index.chunk import chunks_of, chunks_of_document, chunks_of_site, embedded_text
from services.rag.index.interface import Chunk, Index
from services.rag.read.section import Unreadable
from services.rag.sources.calls import SourceCalls
from services.rag.sources.content import Contents
from services.rag.sources.slots import IngestionSlot, IngestionSlots
from services.rag.sources.store import Record, SourceStore
from services.rag.sources.websites import Websites

log = structlog.get_logger()

EMPTY = "There is no text in this source."
GAVE_UP = (
    "The source could not be indexed after several attempts. The operator finds the reason in the "
    "log and in `alonchat dead list`; add it again when that is mended."
)
UNKNOWN_LANGUAGE = (
    Note(
        code="unknown_language",
        message="The bundled embedding model does not know this language, so what stands here is "
        "found by its words only. A model that knows it is set with EMBEDDINGS_BASE_URL.",
    ),
)
LOOKED_AT = 100
"""Chunks of a source from which its language is told."""
ADD_AGAIN = " Add the source again when the server works."

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
        sources: SourceCalls,
        contents: Contents,
        websites: Websites,
        embedder: Embedder,
        index: Index,
        bus: Bus,
        sizes: Sizes,
        slots: IngestionSlots,
    ) -> None:
        self._store = store
        self._sources = sources
        self._contents = contents
        self._websites = websites
        self._embedder = embedder
        self._index = index
        self._bus = bus
        self._sizes = sizes
        self._slots = slots

    async def ingest(self, job: Delivered[SourceSubmitted]) -> None:
        """Bring the index in line with what the store says of a source."""
        source_id = job.message.source_id
        found = await self._store.find(source_id)
        if found is not None and not found.deleting:
            if not await self._websites.are_fetched(found.source):
                return
            async with self._slots.of(found.account_id) as slot:
                found = await self._bring_in(source_id, job.id, slot)
        if found is None or found.deleting:
            # Deleted before or meanwhile: what was indexed of it since must go as well.
            await self._sources.clean_up(source_id)
            return
        await self._announce(found)

    async def _bring_in(self, source_id: str, job: str, slot: IngestionSlot) -> Record | None:
        """Index the version that there is now; return what the store says of it afterwards."""
        found = await self._store.find(source_id)
        if found is None or found.deleting:
            return found
        tried = found
        taken = await self._store.take(found.source, job)
        finished = False
        if taken is not None:
            try:
                finished = await self._try(taken, slot)
            except OUTAGES:
                await self._store.not_tried(taken)
                raise
        found = await self._settle(tried, finished=finished)
        ours = found is not None and found.source.version == tried.source.version
        if found is not None and ours and found.in_work and found.job == job:
            # A later delivery of this very job is at work: its message is not ours to acknowledge.
            raise TakenOver
        return found

    async def give_up(self, job: Delivered[SourceSubmitted]) -> None:
        """End a version that failed too often as failed; the one before it goes on answering."""
        found = await self._store.find(job.message.source_id)
        if found is None or found.deleting:
            return
        await self._store.fail(found, GAVE_UP)
        settled = await self._settle(found, finished=False)
        if settled is not None and not settled.deleting:
            await self._announce(settled)

    async def _try(self, taken: Record, slot: IngestionSlot) -> bool:
        """Index a version; end it as failed when the embedding server will not have it."""
        try:
            return await self._index_version(taken, slot)
        except Away as error:
            raise ServiceUnavailable("embeddings") from error  # waited for, as other servers are
        except EmbeddingError as error:
            log.warning("source.not_embedded", source_id=taken.source.id, error=str(error))
            if taken.tries < error.tries:
                raise RetryLater(RETRY_DELAYS[taken.tries - 1]) from error
            again = ADD_AGAIN if isinstance(error, EmbeddingUnavailable) else ""
            await self._store.fail(taken, f"{error}{again}")
            return False

    async def _index_version(self, taken: Record, slot: IngestionSlot) -> bool:
        """Index a version, unless it is over or another one is there; tell whether this did it."""
        source = taken.source
        if taken.tries > MAX_ATTEMPTS:
            raise GiveUp("too many attempts")
        try:
            chunks, notes = await self._cut(source)
        except Unreadable as error:
            await self._store.fail(taken, str(error), error.notes)
            return False
        cut = await asyncio.to_thread(_name_of, chunks)
        indexed = source.chunks if taken.cut == cut else 0
        if taken.cut not in {"", cut}:  # an attempt before this one may have made more pieces
            await self._index.drop_version(source.id, source.version)
        if not await self._store.begin(taken, cut, len(chunks), indexed, notes):
            return False
        for batch in _batches(chunks[indexed:], self._sizes.batch):
            await slot.pass_on()
            await self._put(batch)
            if not await self._store.advance(taken, batch[-1].number + 1):
                return False
        await self._index.reveal(source.agent_id, source.id, source.version)
        return await self._store.finish(taken, len(chunks))

    async def _settle(self, tried: Record, *, finished: bool) -> Record | None:
        """Remove what is of no use any more; return what the store says of the source now."""
        found = await self._store.find(tried.source.id)
        if found is None or found.deleting:
            return found
        source = found.source
        if tried.source.version != found.live_version and (
            source.status == "failed" or source.version != tried.source.version
        ):
            await self._index.drop_version(source.id, tried.source.version)
        if source.status == "ready":
            if not finished:  # another delivery did, and this one may have put some again, hidden
                await self._index.reveal(source.agent_id, source.id, source.version)
            await self._index.drop_before(source.id, source.version)
            await self._drop_files(found)
        return found

    async def _drop_files(self, found: Record) -> None:
        stale = [file_id for file_id in found.files if file_id != found.source.file_id]
        for file_id in stale:
            await self._contents.drop(file_id)
        if stale:
            await self._store.forget_files(found.source, stale)

    async def _cut(self, source: Source) -> tuple[list[Chunk], tuple[Note, ...]]:
        """Return the chunks of a source, and what was left out of it. Raises Unreadable."""
        notes: tuple[Note, ...] = ()
        # Cutting a long text takes the processor for a while; answers go on meanwhile.
        if source.kind == "file":
            document = await self._contents.read(source)
            notes = document.notes
            cutting = partial(chunks_of_document, source, document.sections)
        elif source.kind == "website":
            pages, notes = await self._websites.pages(source)
            cutting = partial(chunks_of_site, source, pages)
        else:
            cutting = partial(chunks_of, source)
        chunks = await asyncio.to_thread(
            cutting, size=self._sizes.chunk, overlap=self._sizes.overlap
        )
        if not chunks:
            raise Unreadable(EMPTY, notes)
        notes += self._unknown_language(chunks)
        others = await self._index.count(source.agent_id, without=source.id)
        if others + len(chunks) > self._sizes.most:
            raise Unreadable(f"The agent would have more than {self._sizes.most} chunks with it.")
        return chunks, notes

    def _unknown_language(self, chunks: Sequence[Chunk]) -> tuple[Note, ...]:
        """Say when the embedding model does not know the language of a source."""
        looked_at = chunks[:: max(1, len(chunks) // LOOKED_AT)]
        unknown = sum(not self._embedder.knows(chunk.text) for chunk in looked_at)
        return UNKNOWN_LANGUAGE if unknown * 2 > len(looked_at) else ()

    async def _put(self, chunks: Sequence[Chunk]) -> None:
        vectors = await self._embedder.embed_passages([embedded_text(chunk) for chunk in chunks])
        await self._index.put(chunks, vectors)

    async def _announce(self, found: Record) -> None:
        """Publish how it ended. The event ids make a repetition one event."""
        source = found.source
        if source.status == "ready":
            await self._bus.emit(
                SourceReady(
                    event_id=f"evt_ready_{source.id}_{source.version}",
                    account_id=found.account_id,
                    agent_id=source.agent_id,
                    at=now(),
                    source_id=source.id,
                    chunks=source.chunks,
                    notes=source.notes,
                )
            )
        elif source.status == "failed":
            await self._bus.emit(
                SourceFailed(
                    event_id=f"evt_failed_{source.id}_{source.version}",
                    account_id=found.account_id,
                    agent_id=source.agent_id,
                    at=now(),
                    source_id=source.id,
                    message=source.error or GAVE_UP,
                    notes=source.notes,
                )
            )
        log.info("source.ingested", source_id=source.id, status=source.status, chunks=source.chunks)


def _name_of(chunks: Sequence[Chunk]) -> str:
    """Return what names these chunks: the same text cut the same way, whoever cut it."""
    digest = hashlib.blake2b(digest_size=16)
    for chunk in chunks:
        digest.update(embedded_text(chunk).encode() + b"\0")
    return digest.hexdigest()


def _batches(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
