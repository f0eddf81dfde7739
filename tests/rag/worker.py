"""What a rag process is made of, without its subscriptions, and an embedder that halts."""

import asyncio
from collections.abc import Sequence

import msgspec

from libs.bus.bus import Bus
from libs.bus.files import Files
from libs.bus.queues import Delivered
from libs.contracts.sources import SourceSubmitted
from libs.runtime.mongo import Database
from services.rag.crawl.kept import Pages
from services.rag.crawl.state import SiteStates
from services.rag.index.interface import Index
from services.rag.read.process import ReadLimits
from services.rag.sources.calls import SourceCalls
from services.rag.sources.content import Contents
from services.rag.sources.ingest import Ingestion, Sizes
from services.rag.sources.slots import IngestionSlots
from services.rag.sources.store import SourceStore
from services.rag.sources.websites import Websites
from tests.support.source_texts import long_text

BATCH = 2
READING = ReadLimits(seconds=60, memory=1024 * 1024 * 1024, pages=100, characters=100_000)


class HaltingEmbedder:
    """An embedder that halts in its second batch, when the first one is in the index."""

    dimensions = 2

    def __init__(self) -> None:
        self.batches = 0
        self.halted = asyncio.Event()
        self.go_on = asyncio.Event()

    def knows(self, text: str) -> bool:
        """As the model says."""
        return bool(text)

    async def embed_question(self, text: str) -> list[float]:
        """Every text is the same to it."""
        return [1.0, float(not text)]

    async def embed_passages(self, texts: Sequence[str]) -> list[list[float]]:
        """Embed, but halt in the second batch."""
        self.batches += 1
        if self.batches == 2:
            self.halted.set()
            await self.go_on.wait()
        return [[1.0, 0.0] for _ in texts]

    async def appears(self) -> None:
        """It is there."""

    async def ping(self) -> None:
        """It always works."""


MOST_WAITING = 3


class Worker:
    """What a rag process is made of, without its subscriptions."""

    def __init__(self, bus: Bus, files: Files, database: Database, index: Index) -> None:
        self.bus = bus
        self.store = store = SourceStore(database)
        self.pages = Pages(database)
        self.index = index
        self.files = files
        self.sources = SourceCalls(
            store, index, files, self.pages, bus, most_pages=1, most_waiting=MOST_WAITING
        )
        websites = Websites(SiteStates(database), self.pages, bus)
        self.embedder = HaltingEmbedder()
        sizes = Sizes(chunk=200, overlap=0, batch=BATCH, most=1_000)
        contents = Contents(files, READING)
        self.ingestion = Ingestion(
            store,
            self.sources,
            contents,
            websites,
            self.embedder,
            index,
            bus,
            sizes,
            IngestionSlots(4),
        )

    async def create(self, agent_id: str) -> SourceSubmitted:
        """Add a source of several batches; return its job."""
        source = await self.sources.create(msgspec.structs.replace(long_text(4), agent_id=agent_id))
        return SourceSubmitted(agent_id=agent_id, source_id=source.id)

    async def jobs(self) -> int:
        """How many ingestion jobs wait on the bus; nothing takes them in these tests."""
        return (await self.bus.jetstream.stream_info("SOURCES")).state.messages

    async def begin(self, job: SourceSubmitted) -> asyncio.Task[None]:
        """Start the job and wait until its first batch is in the index."""
        running = asyncio.create_task(self.ingestion.ingest(Delivered(job, 1)))
        await self.embedder.halted.wait()
        assert await self.index.count(job.agent_id) == BATCH
        return running
