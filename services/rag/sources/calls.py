"""What the calls about sources do, and how a source or a whole agent is taken out.

Mongo says what is there, the index follows: a document is hidden before its chunks go, and goes
itself when they are gone. Whoever finds a hidden or missing document afterwards (the call, the
ingestion that was running, a redelivered job) removes the chunks again, so none is left behind
whichever of them dies. A change makes a new version of the document, and a job brings it into the
index while the version before goes on answering, see ingest.py.
"""

from datetime import timedelta
from typing import Any

import msgspec
import structlog

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.bus.files import Files
from libs.bus.queues import Delivered
from libs.contracts.calls import Done
from libs.contracts.events import AgentDeleted
from libs.contracts.queues import SOURCES_SUBMITTED
from libs.contracts.sources import (
    CreateSource,
    DeleteSource,
    GetSource,
    ListSources,
    Source,
    SourcePage,
    SourceSubmitted,
    UpdateSource,
)
from libs.runtime.clock import now
from libs.runtime.mongo import DuplicateError
from services.rag.crawl.fetch.request import checked
from services.rag.crawl.kept import Pages
from services.rag.crawl.state import DELETING
from services.rag.index.interface import Index
from services.rag.sources.store import SourceStore

log = structlog.get_logger()

NO_SUCH_SOURCE = "This agent has no such source."
TOO_MANY = "Too many sources of this account wait for being indexed. Try again later."
SAID_TWICE = "Another source of this agent has this content."
CHANGEABLE = {
    "qa": {"question", "answer"},
    "text": {"text"},
    "file": {"file"},
    "website": {"url", "crawl"},
}
MOST_A_PAGE = 200
PUBLISHED_WITHIN = timedelta(seconds=30)
"""The time between storing a source and publishing its job, at most, when all goes well."""


class SourceCalls:
    """The sources of all agents."""

    def __init__(
        self,
        store: SourceStore,
        index: Index,
        files: Files,
        pages: Pages,
        bus: Bus,
        *,
        most_pages: int,
        most_waiting: int,
    ) -> None:
        self._store = store
        self._index = index
        self._files = files
        self._pages = pages
        self._most_pages = most_pages
        self._most_waiting = most_waiting
        self._bus = bus

    async def create(self, request: CreateSource) -> Source:
        """Keep a source and have it indexed. The same source_id again answers the same.

        So does the same content: what comes back then is the source that the agent has already.
        """
        if request.website is not None:
            website = checked(request.website, self._most_pages)
            request = msgspec.structs.replace(request, website=website)
        if await self._store.waiting(request.account_id) >= self._most_waiting:
            # Asked again for what is there, it has its answer even now.
            if existing := await self._existing(request):
                return existing
            raise FaultError("too_many", TOO_MANY)
        while not await self._store.add(request):
            existing = await self._existing(request)
            if existing is not None:
                return existing
        # Asked after the source was written, for a deletion of the agent that runs at this very
        # moment: either it sees the source, or this sees the deletion.
        if await self._store.agent_is_deleted(request.agent_id):
            await self._take_out(request.agent_id, request.source_id)
            raise FaultError("not_found", "This agent was deleted.", "agent_id")
        source = await self.get(GetSource(agent_id=request.agent_id, source_id=request.source_id))
        await self._submit(source)
        return source

    async def _existing(self, request: CreateSource) -> Source | None:
        """Return the source with this id or this content, None when it has gone meanwhile."""
        source = await self._store.get(request.agent_id, request.source_id)
        if source is None and await self._store.find(request.source_id) is not None:
            raise FaultError("conflict", "This source id is taken.", "source_id")
        if source is None:
            source = await self._store.same_content(request)
            if source is not None and request.kind == "file":
                await self._files.delete(request.source_id)
        if source is not None and source.status == "queued":
            await self._submit(source)  # its process may have died before it did
        return source

    async def update(self, request: UpdateSource) -> Source:
        """Change a source and have it indexed again; the version before answers until then.

        Raises FaultError not_found, invalid, and conflict when another source says the same.
        """
        while True:
            source = await self.get(
                GetSource(agent_id=request.agent_id, source_id=request.source_id)
            )
            await self._check_room(source)
            try:
                changed = changes(source, request, self._most_pages)
                if await self._store.update(source, changed, digest=request.digest):
                    break
            except DuplicateError:
                raise FaultError("conflict", SAID_TWICE) from None
        source = await self.get(GetSource(agent_id=request.agent_id, source_id=request.source_id))
        await self._submit(source)
        return source

    async def _check_room(self, source: Source) -> None:
        """Raise FaultError too_many when one more source of the account can't wait."""
        found = await self._store.find(source.id)
        if found is None or found.in_work:
            return  # it waits already
        if await self._store.waiting(found.account_id) >= self._most_waiting:
            raise FaultError("too_many", TOO_MANY)

    async def submit_unfinished(self) -> None:
        """Submit what a process left half done when it died between storing and publishing.

        What has its job already is submitted twice; the second finds nothing left to do.
        """
        async for found in self._store.unfinished():
            if found.deleting:
                await self._submit_deletion(found.source.agent_id, found.source.id)
            else:
                await self._submit(found.source)

    async def sweep(self) -> None:
        """Submit what was stored while the bus was away, finish deletions that were cut off."""
        for source in await self._store.not_submitted(now() - PUBLISHED_WITHIN):
            log.warning("source.submitted_late", source_id=source.id)
            await self._submit(source)
        for source_id in await self._store.hidden():
            await self.clean_up(source_id)

    async def sweep_files(self, age: timedelta) -> None:
        """Remove files, stored longer ago than this, that no source has: it was never created."""
        old = await self._files.older_than(age)
        known = await self._store.all_files() if old else set()
        for name in old:
            if name not in known:
                log.warning("file.without_source", name=name)
                await self._files.delete(name)
        await self._files.drop_pieces(age)

    async def _submit(self, source: Source) -> None:
        """Have the index brought in line with what the store says of a source."""
        version = str(source.version)
        job = SourceSubmitted(agent_id=source.agent_id, source_id=source.id, change=version)
        await self._bus.send(SOURCES_SUBMITTED, job)
        await self._store.submitted(source)

    async def _submit_deletion(self, agent_id: str, source_id: str) -> None:
        job = SourceSubmitted(agent_id=agent_id, source_id=source_id, change=DELETING)
        await self._bus.send(SOURCES_SUBMITTED, job)

    async def list(self, request: ListSources) -> SourcePage:
        """Return an agent's sources, newest first."""
        limit = max(1, min(request.limit, MOST_A_PAGE))
        items, next_cursor = await self._store.page(request.agent_id, request.cursor, limit)
        return SourcePage(items=tuple(items), next_cursor=next_cursor)

    async def get(self, request: GetSource) -> Source:
        """Return one source. Raises FaultError not_found."""
        source = await self._store.get(request.agent_id, request.source_id)
        if source is None:
            raise FaultError("not_found", NO_SUCH_SOURCE, "source_id")
        return source

    async def delete(self, request: DeleteSource) -> Done:
        """Take a source out of every answer, then forget it. Raises FaultError not_found."""
        if not await self._take_out(request.agent_id, request.source_id):
            raise FaultError("not_found", NO_SUCH_SOURCE, "source_id")
        return Done()

    async def delete_agent(self, job: Delivered[AgentDeleted]) -> None:
        """Remove everything of an agent; doing it again does no harm."""
        await self.forget_agent(job.message.agent_id)

    async def forget_agent(self, agent_id: str) -> None:
        """Remove everything of an agent, and refuse new sources from now on."""
        await self._store.hide_agent(agent_id)
        await self._index.delete_agent(agent_id)
        async for file_id in self._store.files_of(agent_id):
            await self._files.delete(file_id)
        await self._pages.delete_agent(agent_id)
        await self._store.remove_agent(agent_id)

    async def _take_out(self, agent_id: str, source_id: str) -> bool:
        if not await self._store.hide(agent_id, source_id):
            return False
        # Should the rest fail here, with the index away or this process killed, the job does it.
        await self._submit_deletion(agent_id, source_id)
        await self.clean_up(source_id)
        return True

    async def clean_up(self, source_id: str) -> None:
        """Remove what is kept of a source that is hidden or gone, and then the source."""
        await self._index.delete_source(source_id)
        found = await self._store.find(source_id)
        for file_id in found.files if found is not None else ():
            await self._files.delete(file_id)
        await self._pages.delete_source(source_id)
        await self._store.remove(source_id)


def changes(source: Source, request: UpdateSource, most_pages: int) -> dict[str, Any]:
    """Return what an update changes of a source. Raises FaultError invalid, with the field."""
    named: dict[str, Any] = {
        name: value
        for name in ("title", "question", "answer", "text", "url", "crawl", "file")
        if (value := getattr(request, name)) is not None
    }
    for name in named:
        if name != "title" and name not in CHANGEABLE[source.kind]:
            raise FaultError("invalid", f"A source of type {source.kind} has no {name}.", name)
    if "file" in named:
        named["file_id"] = request.file_id
    if source.website is not None:
        other = {name: named.pop(name) for name in ("url", "crawl") if name in named}
        website = msgspec.structs.replace(source.website, **other)
        named["website"] = checked(website, most_pages)
    return named
