"""Sources in Mongo: what they say, and how far their indexing has come.

A document's `status` is one of contracts.sources.SourceStatus, or `deleting`: then nobody sees it
any more, and it stays only until its chunks are gone from the index.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import msgspec

from libs.contracts.sources import (
    CreateSource,
    FileInfo,
    Source,
    SourceRow,
    SourceStatus,
    SourceSubmitted,
)
from libs.runtime.clock import now
from libs.runtime.mongo import Database, DuplicateError
from services.rag.crawl.site import new_site, pages_of, website_of

DELETING = "deleting"
_VISIBLE = ["queued", "processing", "ready", "failed"]
_UNFINISHED = ["queued", "processing", DELETING]
_AGENT_REMEMBERED = 7 * 24 * 3600
"""Seconds for which a deleted agent's id is kept, to refuse sources that arrive late."""


@dataclass(frozen=True)
class Record:
    """A source, whose account it is, and whether it is on its way out."""

    source: Source
    account_id: str
    deleting: bool


class SourceStore:
    """The collections `sources` and `rag_deleted_agents`."""

    def __init__(self, database: Database) -> None:
        self._sources = database["sources"]
        self._deleted_agents = database["rag_deleted_agents"]

    async def create_indexes(self) -> None:
        """Create what the queries need; does nothing when it is there."""
        await self._sources.create_index([("agent_id", 1), ("_id", -1)])
        await self._sources.create_index([("status", 1)])
        await self._deleted_agents.create_index([("at", 1)], expireAfterSeconds=_AGENT_REMEMBERED)

    async def add(self, request: CreateSource) -> None:
        """Keep a new source as queued; one with this id that exists already stays as it is."""
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
            "site": new_site(request.website),
            "total_chunks": None,
            "status": "queued",
            "chunks": 0,
            "error": None,
            "created_at": created,
            "updated_at": created,
        }
        try:
            await self._sources.insert_one(document)
        except DuplicateError:
            return

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

    async def page(self, agent_id: str, cursor: str | None, limit: int) -> list[SourceRow]:
        """Return an agent's sources, newest first, those after `cursor`, without their content."""
        query: dict[str, Any] = {"agent_id": agent_id, "status": {"$in": _VISIBLE}}
        if cursor is not None:
            query["_id"] = {"$lt": cursor}
        without_content = {"question": 0, "answer": 0, "text": 0, "site.pages.reasons": 0}
        found = self._sources.find(query, without_content).sort("_id", -1).limit(limit)
        return [_row(document) async for document in found]

    async def advance(self, source_id: str, chunks: int) -> bool:
        """Say that so many chunks are indexed. False when the source must not be indexed any more.

        The guard is what a deletion stops a running ingestion by.
        """
        return await self._change(
            source_id, ["queued", "processing"], {"status": "processing", "chunks": chunks}
        )

    async def cut(self, source_id: str, total_chunks: int) -> None:
        """Say how many chunks there will be."""
        await self._change(source_id, ["processing"], {"total_chunks": total_chunks})

    async def files_of(self, agent_id: str) -> AsyncIterator[str]:
        """Yield the ids of an agent's hidden sources that have a file."""
        query = {"agent_id": agent_id, "status": DELETING, "kind": "file"}
        async for document in self._sources.find(query, {"_id": 1}):
            yield document["_id"]

    async def finish(self, source_id: str, chunks: int) -> bool:
        """Mark a source as ready. False when it was deleted or finished in the meantime."""
        return await self._change(
            source_id, ["queued", "processing"], {"status": "ready", "chunks": chunks}
        )

    async def fail(self, source_id: str, error: str) -> bool:
        """Mark a source as failed. False when it was deleted or finished in the meantime."""
        return await self._change(
            source_id, ["queued", "processing"], {"status": "failed", "chunks": 0, "error": error}
        )

    async def hide(self, agent_id: str, source_id: str) -> bool:
        """Begin to delete a source. False when the agent has no such source."""
        # One that is being deleted matches too: the caller is to finish what another began.
        changed = await self._sources.update_one(
            {"_id": source_id, "agent_id": agent_id}, {"$set": {"status": DELETING}}
        )
        return changed.matched_count == 1

    async def remove(self, source_id: str) -> None:
        """Remove a hidden source."""
        await self._sources.delete_one({"_id": source_id, "status": DELETING})

    async def hide_agent(self, agent_id: str) -> None:
        """Begin to delete an agent's sources, and refuse new ones from now on."""
        await self._deleted_agents.update_one(
            {"_id": agent_id}, {"$set": {"at": now()}}, upsert=True
        )
        await self._sources.update_many({"agent_id": agent_id}, {"$set": {"status": DELETING}})

    async def remove_agent(self, agent_id: str) -> None:
        """Remove an agent's hidden sources."""
        await self._sources.delete_many({"agent_id": agent_id, "status": DELETING})

    async def agent_is_deleted(self, agent_id: str) -> bool:
        """Say whether an agent was deleted lately."""
        return await self._deleted_agents.find_one({"_id": agent_id}) is not None

    async def unfinished(self) -> AsyncIterator[tuple[SourceSubmitted, str]]:
        """Yield the job and the status of everything that is not in its final state."""
        found = self._sources.find({"status": {"$in": _UNFINISHED}}, {"agent_id": 1, "status": 1})
        async for document in found:
            job = SourceSubmitted(agent_id=document["agent_id"], source_id=document["_id"])
            yield job, document["status"]

    async def _change(
        self, source_id: str, during: list[SourceStatus], change: dict[str, Any]
    ) -> bool:
        changed = await self._sources.update_one(
            {"_id": source_id, "status": {"$in": during}},
            {"$set": {**change, "updated_at": now()}},
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
        total_chunks=document.get("total_chunks"),
        website=website_of(document.get("site")),
        pages=pages_of(document.get("site")),
    )
    return Record(source, document["account_id"], deleting)


def _file(document: dict[str, Any]) -> FileInfo | None:
    return msgspec.convert(document.get("file"), FileInfo | None)


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
        total_chunks=document.get("total_chunks"),
        website=website_of(document.get("site")),
        pages=pages_of(document.get("site")),
    )
