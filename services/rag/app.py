"""Wires the rag service."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import timedelta
from functools import partial

from libs.bus.bus import open_bus
from libs.bus.files import open_files
from libs.bus.health import Check, answer_probes
from libs.runtime.deleted_agents import SWEEP_EVERY
from libs.runtime.mongo import open_mongo, ping_mongo
from libs.runtime.tasks import background
from services.rag.crawl.kept import Pages
from services.rag.crawl.state import SiteStates
from services.rag.embed.interface import Embedder, open_embedder
from services.rag.handlers import register
from services.rag.index import open_index
from services.rag.index.interface import Index
from services.rag.index.late import open_late
from services.rag.read.process import ReadLimits
from services.rag.search.chat import Chat
from services.rag.search.confidence import calibration_of
from services.rag.search.ground import Retriever, SearchLimits
from services.rag.settings import RagSettings
from services.rag.sources.calls import SourceCalls
from services.rag.sources.content import Contents
from services.rag.sources.ingest import Ingestion, Sizes
from services.rag.sources.open_crawl import open_tools
from services.rag.sources.slots import IngestionSlots
from services.rag.sources.store import SourceStore
from services.rag.sources.websites import Crawls, Websites


@asynccontextmanager
async def run() -> AsyncIterator[None]:
    """Run rag until the block ends. Raises SettingsError when it can't start."""
    settings = RagSettings.load()
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(open_embedder(settings))
        index = await stack.enter_async_context(_index_for(embedder, settings))
        database = await stack.enter_async_context(
            open_mongo(settings.mongo_url, settings.mongo_database)
        )
        tools = await stack.enter_async_context(open_tools(settings))
        # Opened last, so closed first: running handlers still have what they need.
        bus = await stack.enter_async_context(
            open_bus(settings.nats_url, "rag", settings.nats_replicas)
        )
        store = SourceStore(database)
        await store.create_indexes()
        pages, states = Pages(database), SiteStates(database)
        await pages.create_indexes()
        files = await open_files(bus, settings.nats_replicas)
        sources = SourceCalls(
            store,
            index,
            files,
            pages,
            bus,
            most_pages=settings.max_site_pages,
            most_waiting=settings.max_waiting_sources,
        )
        register(
            bus,
            Chat(bus, Retriever(embedder, index, calibration_of(settings), limits_of(settings))),
            Ingestion(
                store,
                sources,
                Contents(files, reading_of(settings)),
                Websites(states, pages, bus),
                embedder,
                index,
                bus,
                sizes_of(settings),
                IngestionSlots(settings.rag_ingest_slots),
            ),
            Crawls(states, pages, sources, bus, tools, IngestionSlots(settings.rag_crawl_slots)),
            sources,
            chat_slots=settings.rag_chat_slots,
            ingest_waiting=settings.rag_ingest_waiting,
        )
        checks: dict[str, Check] = {
            "mongo": partial(ping_mongo, database),
            "qdrant": index.ping,
            "embeddings": embedder.ping,
        }
        answer_probes(bus, "rag", checks)
        await bus.start()
        await sources.submit_unfinished()
        orphaned = timedelta(seconds=settings.orphan_file_seconds)
        for name, step, every in (
            ("sources", sources.sweep, settings.source_sweep_interval),
            ("files", partial(sources.sweep_files, orphaned), orphaned.total_seconds() / 4),
            (
                "deleted_agents",
                partial(store.deleted_agents.sweep, sources.forget_agent),
                SWEEP_EVERY,
            ),
        ):
            await stack.enter_async_context(background(name, step, every=every))
        yield


def _index_for(embedder: Embedder, settings: RagSettings) -> AbstractAsyncContextManager[Index]:
    """Return the opening of the index, which has to know the size of its vectors."""

    def opening() -> AbstractAsyncContextManager[Index]:
        return open_index(settings, embedder.dimensions)

    return opening() if embedder.dimensions else open_late(embedder.appears, opening)


def limits_of(settings: RagSettings) -> SearchLimits:
    """Read what bounds a search."""
    return SearchLimits(
        top_k=settings.retrieval_top_k,
        candidates=max(settings.retrieval_candidates, settings.retrieval_top_k),
        min_relevance=settings.retrieval_min_relevance,
        follow_up_words=settings.retrieval_follow_up_words,
    )


def reading_of(settings: RagSettings) -> ReadLimits:
    """Read what bounds the reading of a document."""
    return ReadLimits(
        seconds=settings.document_seconds,
        memory=settings.document_memory_mb * 1024 * 1024,
        pages=settings.max_document_pages,
        characters=settings.max_document_characters,
    )


def sizes_of(settings: RagSettings) -> Sizes:
    """Read how sources are cut."""
    return Sizes(
        chunk=settings.chunk_characters,
        overlap=settings.chunk_overlap,
        batch=settings.embeddings_batch,
        most=settings.max_agent_chunks,
    )
