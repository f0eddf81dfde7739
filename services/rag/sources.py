"""What the calls about sources do, and how a source or a whole agent is taken out.

Mongo says what is there, the index follows: a document is hidden before its chunks go, and goes
itself when they are gone. Whoever finds a hidden or missing document afterwards (the call, the
ingestion that was running, a redelivered job) removes the chunks again, so none is left behind
whichever of them dies.
"""

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.bus.files import Files
from libs.bus.work import Delivered
from libs.contracts.calls import Done
from libs.contracts.events import AgentDeleted
from libs.contracts.sources import (
    CreateSource,
    DeleteSource,
    GetSource,
    ListSources,
    Source,
    SourcePage,
    SourceSubmitted,
)
from libs.contracts.subjects import SOURCES_SUBMITTED
from services.rag.crawl.pages import Pages
from services.rag.crawl.request import checked
from services.rag.index.interface import Index
from services.rag.store import DELETING, SourceStore

NO_SUCH_SOURCE = "This agent has no such source."
MOST_A_PAGE = 200


class Sources:
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
    ) -> None:
        self._store = store
        self._index = index
        self._files = files
        self._pages = pages
        self._most_pages = most_pages
        self._bus = bus

    async def create(self, request: CreateSource) -> Source:
        """Keep a source and have it indexed. The same source_id again answers the same."""
        request = checked(request, self._most_pages)
        await self._store.add(request)
        # Asked after the source was written, for a deletion of the agent that runs at this very
        # moment: either it sees the source, or this sees the deletion.
        if await self._store.agent_is_deleted(request.agent_id):
            await self._take_out(request.agent_id, request.source_id)
            raise FaultError("not_found", "This agent was deleted.", "agent_id")
        source = await self._store.get(request.agent_id, request.source_id)
        if source is None:
            raise FaultError("conflict", "This source id is taken.", "source_id")
        if source.status == "queued":
            job = SourceSubmitted(agent_id=source.agent_id, source_id=source.id)
            await self._submit(job, source.status)
        return source

    async def submit_unfinished(self) -> None:
        """Submit what a process left half done when it died between storing and publishing.

        What has its job already is submitted twice; the second finds nothing left to do.
        """
        async for job, status in self._store.unfinished():
            await self._submit(job, status)

    async def _submit(self, job: SourceSubmitted, status: str) -> None:
        """Have the index brought in line with what the store says of a source."""
        # One job a status: the stream must not take a deletion for the submission just before it.
        await self._bus.send(SOURCES_SUBMITTED, job, message_id=f"{status}_{job.source_id}")

    async def list(self, request: ListSources) -> SourcePage:
        """Return an agent's sources, newest first."""
        limit = max(1, min(request.limit, MOST_A_PAGE))
        rows = await self._store.page(request.agent_id, request.cursor, limit + 1)
        more = len(rows) > limit
        return SourcePage(
            items=tuple(rows[:limit]), next_cursor=rows[limit - 1].id if more else None
        )

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
        agent_id = job.message.agent_id
        await self._store.hide_agent(agent_id)
        await self._index.delete_agent(agent_id)
        async for source_id in self._store.files_of(agent_id):
            await self._files.delete(source_id)
        await self._pages.delete_agent(agent_id)
        await self._store.remove_agent(agent_id)

    async def _take_out(self, agent_id: str, source_id: str) -> bool:
        if not await self._store.hide(agent_id, source_id):
            return False
        # Should the rest fail here, with the index away or this process killed, the job does it.
        job = SourceSubmitted(agent_id=agent_id, source_id=source_id)
        await self._submit(job, DELETING)
        await self.clean_up(source_id)
        return True

    async def clean_up(self, source_id: str) -> None:
        """Remove chunks, file and pages of a source that is hidden or gone, and then the source."""
        await self._index.delete_source(source_id)
        await self._files.delete(source_id)
        await self._pages.delete_source(source_id)
        await self._store.remove(source_id)
