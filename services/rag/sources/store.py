"""Sources in Mongo: what they say, and how far their indexing has come.

A document's `status` is one of contracts.sources.SourceStatus, or `deleting`: then nobody sees it
any more, and it stays only until its chunks are gone from the index. `version` counts changes of
it; `live_version` is the one that answers, 0 before the first is ready. `content_key` keeps an
agent from having the same content twice.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any

import msgspec

from libs.contracts.sources import CreateSource, FileInfo, Note, Source, SourceRow
from libs.runtime.clock import now
from libs.runtime.deleted_agents import DeletedAgents
from libs.runtime.documents import page_of
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database, DuplicateError
from services.rag.crawl.fetch.site import new_site, pages_of, website_of
from services.rag.crawl.state import DELETING
from services.rag.sources.same_content import content_key

NOTHING: Mapping[str, str] = MappingProxyType({})
_VISIBLE = ["queued", "processing", "ready", "failed"]
_IN_WORK = ["queued", "processing"]
_UNFINISHED = ["queued", "processing", DELETING]


@dataclass(frozen=True, kw_only=True)
class Record:
    """A source, whose account it is, and whether it is on its way out.

    `live_version` has answered, with `live_chunks`; `cut` names the chunks that a version was cut
    into. `files` are all that are kept for it, those of versions before it among them. `ingester`
    is who indexes the version, `tries` how often that was begun.
    """

    source: Source
    account_id: str
    deleting: bool
    live_version: int
    live_chunks: int
    cut: str
    files: tuple[str, ...]
    ingester: str = ""
    tries: int = 0

    @property
    def in_work(self) -> bool:
        """Whether it is still to be indexed."""
        return not self.deleting and self.source.status in _IN_WORK

    @property
    def job(self) -> str:
        """The job that it is indexed for, or was last."""
        return self.ingester.partition("/")[0]


class SourceStore:
    """The collection `sources`, and which agents were deleted lately."""

    def __init__(self, database: Database) -> None:
        self._sources = database["sources"]
        self.deleted_agents = DeletedAgents(database, "rag")

    async def create_indexes(self) -> None:
        """Create what the queries need; does nothing when it is there."""
        await self._sources.create_index([("agent_id", 1), ("_id", -1)])
        await self._sources.create_index([("status", 1)])
        await self._sources.create_index([("account_id", 1), ("status", 1)])
        await self._sources.create_index(
            [("content_key", 1)],
            unique=True,
            partialFilterExpression={"content_key": {"$type": "string"}},
        )
        await self.deleted_agents.create_indexes()

    async def add(self, request: CreateSource) -> bool:
        """Keep a new source as queued. False when its id or its content is there already."""
        created = now()
        document = {
            "_id": request.source_id,
            "account_id": request.account_id,
            "agent_id": request.agent_id,
            "kind": request.kind,
            "title": request.title,
            "question": request.question,
            "answer": request.answer,
            "text": request.text,
            "file": msgspec.to_builtins(request.file),
            "file_id": request.source_id,
            "stale_files": [],
            "content_key": content_key(request, request.digest or request.source_id),
            "version": 1,
            "live_version": 0,
            "live_chunks": 0,
            "cut": "",
            "ingester": "",
            "tries": 0,
            "site": new_site(request.website),
            "total_chunks": None,
            "status": "queued",
            "submitted": False,
            "chunks": 0,
            "error": None,
            "notes": [],
            "created_at": created,
            "updated_at": created,
        }
        try:
            await self._sources.insert_one(document)
        except DuplicateError:
            return False
        return True

    async def same_content(self, request: CreateSource) -> Source | None:
        """Return the agent's source that says what a new one would say, None when there is none."""
        key = content_key(request, request.digest or request.source_id)
        query = {"agent_id": request.agent_id, "status": {"$in": _VISIBLE}, "content_key": key}
        document = await self._sources.find_one(query)
        return None if document is None else _record(document).source

    async def find(self, source_id: str) -> Record | None:
        """Return a source whatever its state, None when there is none."""
        document = await self._sources.find_one({"_id": source_id})
        return None if document is None else _record(document)

    async def get(self, agent_id: str, source_id: str) -> Source | None:
        """Return an agent's source, None when it has no such source."""
        found = await self.find(source_id)
        if found is None or found.deleting or found.source.agent_id != agent_id:
            return None
        return found.source

    async def page(
        self, agent_id: str, cursor: str | None, limit: int
    ) -> tuple[list[SourceRow], str | None]:
        """Return an agent's sources, newest first, without their content, and the next cursor."""
        query: dict[str, Any] = {"agent_id": agent_id, "status": {"$in": _VISIBLE}}
        content = ("question", "answer", "text", "site.pages.reasons")
        return await page_of(
            self._sources, query, _row, cursor=cursor, limit=limit, without=content
        )

    async def update(self, source: Source, change: dict[str, Any], *, digest: str) -> bool:
        """Make the next version of a source, queued. False when it was changed meanwhile.

        Raises DuplicateError when the agent has this content in another source.
        """
        replaced = [source.file_id] if "file_id" in change else []
        if digest or source.kind != "file":
            after = msgspec.structs.replace(source, **change)
            change = {**change, "content_key": content_key(after, digest)}
        return await self._change(
            source,
            _VISIBLE,
            {
                **_stored(change),
                "version": source.version + 1,
                "status": "queued",
                "submitted": False,
                "chunks": 0,
                "total_chunks": None,
                "cut": "",
                "ingester": "",
                "tries": 0,
                "error": None,
                "notes": [],
            },
            replaced,
        )

    async def submitted(self, source: Source) -> None:
        """Say that this version has its job on the queue."""
        await self._sources.update_one(
            {"_id": source.id, "version": source.version}, {"$set": {"submitted": True}}
        )

    async def not_submitted(self, before: datetime) -> list[Source]:
        """Return sources that were changed before a time and have no job on the queue."""
        waiting = {"status": "queued", "submitted": {"$ne": True}, "updated_at": {"$lt": before}}
        return [_record(document).source async for document in self._sources.find(waiting)]

    async def hidden(self) -> list[str]:
        """Return the ids of sources that are on their way out."""
        found = self._sources.find({"status": DELETING}, {"_id": 1})
        return [document["_id"] async for document in found]

    async def all_files(self) -> set[str]:
        """Return the ids of the files that any source has."""
        found = self._sources.find({"kind": "file"}, {"kind": 1, "file_id": 1, "stale_files": 1})
        return {file_id async for document in found for file_id in _files(document)}

    async def take(self, source: Source, job: str) -> Record | None:
        """Take over the indexing of a version for a job. None when it must not be indexed any more.

        Whoever had it before finds out at its next step: two would undo each other's progress.
        """
        ours = f"{job}/{new_id('ingester')}"
        await self._sources.update_one(
            {"_id": source.id, "version": source.version, "status": {"$in": _IN_WORK}},
            {
                "$set": {"ingester": ours, "status": "processing", "updated_at": now()},
                "$inc": {"tries": 1},
            },
        )
        found = await self.find(source.id)
        return found if found is not None and found.in_work and found.ingester == ours else None

    async def not_tried(self, taken: Record) -> None:
        """Say that an attempt does not count: it met a server that is away."""
        ours = {"_id": taken.source.id, "ingester": taken.ingester}
        await self._sources.update_one(ours, {"$inc": {"tries": -1}})

    async def advance(self, taken: Record, chunks: int) -> bool:
        """Say that so many chunks are indexed. False when this version must not be indexed further.

        The guard is what a deletion or a change stops a running ingestion by, or another process
        that took it over.
        """
        return await self._change_ours(taken, {"chunks": chunks})

    async def begin(
        self,
        taken: Record,
        cut: str,
        total_chunks: int,
        indexed: int,
        notes: Sequence[Note] = (),
    ) -> bool:
        """Say which chunks there will be. False when this version must not be indexed any more."""
        change = {
            "cut": cut,
            "total_chunks": total_chunks,
            "chunks": indexed,
            "notes": msgspec.to_builtins(notes),
        }
        return await self._change_ours(taken, change)

    async def finish(self, taken: Record, chunks: int) -> bool:
        """Mark a version as ready. False when it was deleted, changed or finished meanwhile."""
        return await self._change_ours(
            taken,
            {
                "status": "ready",
                "chunks": chunks,
                "live_version": taken.source.version,
                "live_chunks": chunks,
            },
        )

    async def fail(self, record: Record, error: str, notes: Sequence[Note] = ()) -> bool:
        """Mark a version as failed. False when it was deleted, changed or finished meanwhile.

        Its content may be added again, as a source of its own.
        """
        change = {
            "status": "failed",
            "chunks": record.live_chunks,
            "error": error,
            "notes": msgspec.to_builtins(notes),
        }
        guard = {"ingester": record.ingester} if record.ingester else NOTHING
        change = {**change, "content_key": None}
        return await self._change(record.source, _IN_WORK, change, guard=guard)

    async def forget_files(self, source: Source, files: Sequence[str]) -> None:
        """Say that the files of versions before this one are gone."""
        await self._sources.update_one(
            {"_id": source.id}, {"$pull": {"stale_files": {"$in": list(files)}}}
        )

    async def files_of(self, agent_id: str) -> AsyncIterator[str]:
        """Yield the ids of the files that an agent's hidden sources have."""
        query = {"agent_id": agent_id, "status": DELETING, "kind": "file"}
        async for document in self._sources.find(query):
            for file_id in _files(document):
                yield file_id

    async def hide(self, agent_id: str, source_id: str) -> bool:
        """Begin to delete a source. False when the agent has no such source."""
        # One that is being deleted matches too: the caller is to finish what another began.
        changed = await self._sources.update_one(
            {"_id": source_id, "agent_id": agent_id},
            {"$set": {"status": DELETING, "content_key": None}},
        )
        return changed.matched_count == 1

    async def remove(self, source_id: str) -> None:
        """Remove a hidden source."""
        await self._sources.delete_one({"_id": source_id, "status": DELETING})

    async def hide_agent(self, agent_id: str) -> None:
        """Begin to delete an agent's sources, and refuse new ones from now on."""
        await self.deleted_agents.add(agent_id)
        await self._sources.update_many(
            {"agent_id": agent_id}, {"$set": {"status": DELETING, "content_key": None}}
        )

    async def remove_agent(self, agent_id: str) -> None:
        """Remove an agent's hidden sources."""
        await self._sources.delete_many({"agent_id": agent_id, "status": DELETING})

    async def agent_is_deleted(self, agent_id: str) -> bool:
        """Say whether an agent was deleted lately."""
        return await self.deleted_agents.has(agent_id)

    async def unfinished(self) -> AsyncIterator[Record]:
        """Yield everything that is not in its final state."""
        async for document in self._sources.find({"status": {"$in": _UNFINISHED}}):
            yield _record(document)

    async def waiting(self, account_id: str) -> int:
        """Return how many sources of an account are still to be indexed."""
        query = {"account_id": account_id, "status": {"$in": _IN_WORK}}
        return int(await self._sources.count_documents(query))

    async def _change_ours(self, taken: Record, change: dict[str, Any]) -> bool:
        return await self._change(
            taken.source, _IN_WORK, change, guard={"ingester": taken.ingester}
        )

    async def _change(
        self,
        source: Source,
        during: list[str],
        change: dict[str, Any],
        replaced: Sequence[str] = (),
        guard: Mapping[str, str] = NOTHING,
    ) -> bool:
        """Change a source while it is at this version and in one of these states."""
        changed = await self._sources.update_one(
            {"_id": source.id, "version": source.version, "status": {"$in": during}, **guard},
            {
                "$set": {**change, "updated_at": now()},
                "$push": {"stale_files": {"$each": list(replaced)}},
            },
        )
        return changed.matched_count == 1


def _record(document: dict[str, Any]) -> Record:
    deleting = document["status"] == DELETING
    source = Source(
        id=document["_id"],
        agent_id=document["agent_id"],
        kind=document["kind"],
        title=document["title"],
        status="processing" if deleting else document["status"],
        chunks=document["chunks"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        error=document["error"],
        question=document["question"],
        answer=document["answer"],
        text=document["text"],
        file=_file(document),
        file_id=document["file_id"],
        total_chunks=document["total_chunks"],
        version=document["version"],
        website=website_of(document["site"]),
        pages=pages_of(document["site"]),
        notes=_notes(document),
    )
    return Record(
        source=source,
        account_id=document["account_id"],
        deleting=deleting,
        live_version=document["live_version"],
        live_chunks=document["live_chunks"],
        cut=document["cut"],
        files=_files(document),
        ingester=document.get("ingester", ""),
        tries=document.get("tries", 0),
    )


def _stored(change: dict[str, Any]) -> dict[str, Any]:
    """Return a change of a Source as one of its document."""
    stored: dict[str, Any] = msgspec.to_builtins(change)
    if "website" in stored:
        stored |= {"site.website": stored.pop("website"), "site.pages": None}
    return stored


def _files(document: dict[str, Any]) -> tuple[str, ...]:
    if document["kind"] != "file":
        return ()
    return (document["file_id"], *document["stale_files"])


def _file(document: dict[str, Any]) -> FileInfo | None:
    return msgspec.convert(document["file"], FileInfo | None)


def _notes(document: dict[str, Any]) -> tuple[Note, ...]:
    return msgspec.convert(document.get("notes", ()), tuple[Note, ...])


def _row(document: dict[str, Any]) -> SourceRow:
    return SourceRow(
        id=document["_id"],
        agent_id=document["agent_id"],
        kind=document["kind"],
        title=document["title"],
        status=document["status"],
        chunks=document["chunks"],
        created_at=document["created_at"],
        updated_at=document["updated_at"],
        error=document["error"],
        file=_file(document),
        total_chunks=document["total_chunks"],
        website=website_of(document["site"]),
        pages=pages_of(document["site"]),
        notes=_notes(document),
    )
