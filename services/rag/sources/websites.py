"""Websites as sources: the job that crawls one, and what is indexed of it.

Crawls have a queue of their own, so that no other source waits for a slow site. The job of a source
hands over (`are_fetched`) and is submitted again when its crawl has ended, one way or the other.
"""

from dataclasses import dataclass

import structlog

from libs.bus.bus import Bus
from libs.bus.queues import MAX_ATTEMPTS, OUTAGES, Delivered, GiveUp
from libs.contracts.queues import SOURCES_CRAWL, SOURCES_SUBMITTED
from libs.contracts.sources import Note, Source, SourceCrawl, SourceSubmitted
from services.rag.crawl.crawl import Crawl
from services.rag.crawl.fetch.fetch import Fetcher
from services.rag.crawl.kept import KeptPage, Pages
from services.rag.crawl.limits import CrawlLimits
from services.rag.crawl.notes import notes_of
from services.rag.crawl.pages import reader
from services.rag.crawl.state import CrawlClaim, Gone, SiteStates
from services.rag.read.section import Unreadable
from services.rag.sources.calls import SourceCalls
from services.rag.sources.slots import IngestionSlots

log = structlog.get_logger()

GAVE_UP = "The website could not be read after several attempts; please add it again later."


@dataclass(frozen=True, kw_only=True)
class Tools:
    """What crawls share."""

    fetcher: Fetcher
    reading: reader.PageLimits
    limits: CrawlLimits


class Websites:
    """The sources of type `website`."""

    def __init__(self, states: SiteStates, pages: Pages, bus: Bus) -> None:
        self._states = states
        self._pages = pages
        self._bus = bus

    async def are_fetched(self, source: Source) -> bool:
        """Say whether the pages of a source are there; if not, have its site crawled first."""
        if source.kind != "website":
            return True
        found = await self._states.outcome(source.id)
        if found is None or found.done:
            return True
        job = SourceCrawl(agent_id=source.agent_id, source_id=source.id, number=found.number)
        await self._bus.send(SOURCES_CRAWL, job)
        return False

    async def pages(self, source: Source) -> tuple[list[KeptPage], tuple[Note, ...]]:
        """Return the pages of a source, and what was left out of its site.

        Raises Unreadable when its site gave none.
        """
        found = await self._states.outcome(source.id)
        if found is None:
            return [], ()
        visits = [visit async for visit in self._pages.visits(source.id, found.number)]
        notes = notes_of(visits, source.pages.note if source.pages else "")
        if found.error is not None:
            raise Unreadable(found.error, notes)
        pages = [page async for page in self._pages.contents(source.id, found.number)]
        return pages, notes


class Crawls:
    """Handles the jobs of the queue of crawls."""

    def __init__(
        self,
        states: SiteStates,
        pages: Pages,
        sources: SourceCalls,
        bus: Bus,
        tools: Tools,
        slots: IngestionSlots,
    ) -> None:
        self._states = states
        self._pages = pages
        self._sources = sources
        self._bus = bus
        self._tools = tools
        self._slots = slots

    async def crawl(self, job: Delivered[SourceCrawl]) -> None:
        """Fetch the pages of a website, or the rest of them, then have them indexed."""
        source_id = job.message.source_id
        try:
            account_id = await self._states.account_of(source_id)
            async with self._slots.of(account_id):
                claim = await self._fetched(source_id)
            await self._submit(claim)
        except Gone:
            await self._leave(source_id)

    async def _fetched(self, source_id: str) -> CrawlClaim:
        """Crawl what is left to crawl. Raises Gone, and GiveUp when it was begun too often."""
        claim = await self._states.take(source_id)
        if claim.done:
            return claim
        if claim.tries > MAX_ATTEMPTS:
            raise GiveUp("too many attempts")
        try:
            await self._run(claim)
        except OUTAGES:
            await self._states.not_tried(claim)
            raise
        return claim

    async def give_up(self, job: Delivered[SourceCrawl]) -> None:
        """End a crawl that failed too often."""
        source_id = job.message.source_id
        try:
            claim = await self._states.take(source_id)
            if not claim.done:
                await self._states.finish(claim, None, GAVE_UP)
            await self._submit(claim)
        except Gone:
            await self._leave(source_id)

    async def _run(self, claim: CrawlClaim) -> None:
        tools = self._tools
        async with reader.open_reader(tools.reading) as reading:
            crawl = Crawl(claim, tools.fetcher, reading, self._pages, self._states, tools.limits)
            await crawl.run()
        log.info("site.crawled", source_id=claim.source_id)

    async def _submit(self, claim: CrawlClaim) -> None:
        crawl = f"crawled_{claim.number}"
        job = SourceSubmitted(agent_id=claim.agent_id, source_id=claim.source_id, change=crawl)
        await self._bus.send(SOURCES_SUBMITTED, job)

    async def _leave(self, source_id: str) -> None:
        """Remove what was kept of a source after it was deleted; another crawl may go on."""
        if await self._states.outcome(source_id) is None:
            await self._sources.clean_up(source_id)
