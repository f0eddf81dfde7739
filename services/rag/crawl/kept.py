"""The pages of websites in Mongo: what a crawl has, so that another process can go on with it."""

import hashlib
import zlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec

from libs.contracts.sources import Note
from libs.runtime.clock import now
from libs.runtime.mongo import Database
from services.rag.crawl.fetch.skipped import Skipped
from services.rag.read.section import Section

MOST_PACKED = 11 * 1024 * 1024
"""Bytes of a page's packed text: a document of Mongo's has 16 MB at most, its links among them."""


class Visit(msgspec.Struct, frozen=True, kw_only=True):
    """An address that a crawl has dealt with. `skipped` says why it gave no page.

    `url` is what was asked for, `final` where the redirects ended, `cited` what the page is known
    by; `number` counts from 0 in the order of the visits, `depth` is links away from the start.
    """

    url: str
    depth: int
    number: int = 0
    final: str = ""
    cited: str = ""
    title: str = ""
    digest: str = ""
    shape: str = ""
    notes: tuple[Note, ...] = ()
    links: tuple[str, ...] = ()
    size: int = 0
    etag: str = ""
    modified: str = ""
    skipped: str | None = None


class KeptPage(msgspec.Struct, frozen=True, kw_only=True):
    """What is indexed of a page."""

    url: str
    title: str
    sections: tuple[Section, ...]


_sections = msgspec.json.Decoder(tuple[Section, ...])
_links = msgspec.json.Decoder(tuple[str, ...])
_WITHOUT_TEXT = {"sections": 0}


class Pages:
    """The collection `source_pages`: one document for each address of each source."""

    def __init__(self, database: Database) -> None:
        self._pages = database["source_pages"]

    async def create_indexes(self) -> None:
        """Create what the queries need; does nothing when it is there."""
        await self._pages.create_index([("source_id", 1), ("crawl", 1), ("number", 1)])
        await self._pages.create_index([("agent_id", 1)])

    async def save(
        self,
        agent_id: str,
        source_id: str,
        crawl: int,
        visit: Visit,
        text: bytes | None,
    ) -> None:
        """Keep a visit in place of an earlier crawl's; without a `text` (packed) that one stays."""
        document = msgspec.to_builtins(visit) | {
            "agent_id": agent_id,
            "source_id": source_id,
            "crawl": crawl,
            "links": _zipped(visit.links),
            "at": now(),
        }
        if text is not None:
            document["sections"] = text
        await self._pages.update_one(
            {"_id": _id(source_id, visit.url)}, {"$set": document}, upsert=True
        )

    async def visits(self, source_id: str, crawl: int) -> AsyncIterator[Visit]:
        """Yield what a crawl has dealt with, in its order."""
        query = {"source_id": source_id, "crawl": crawl}
        found = self._pages.find(query, _WITHOUT_TEXT).sort("number", 1)
        async for document in found:
            yield _visit(document)

    async def earlier(self, source_id: str, url: str) -> Visit | None:
        """Return the page that an earlier crawl found at an address, None when it found none."""
        document = await self._pages.find_one({"_id": _id(source_id, url)}, _WITHOUT_TEXT)
        return None if document is None or document["skipped"] else _visit(document)

    async def contents(self, source_id: str, crawl: int) -> AsyncIterator[KeptPage]:
        """Yield the pages of a crawl that have text, in its order."""
        query = {"source_id": source_id, "crawl": crawl, "skipped": None}
        async for document in self._pages.find(query).sort("number", 1):
            sections = _sections.decode(zlib.decompress(document["sections"]))
            yield KeptPage(url=document["cited"], title=document["title"], sections=sections)

    async def delete_earlier(self, source_id: str, crawl: int) -> None:
        """Remove what only crawls before this one had."""
        await self._pages.delete_many({"source_id": source_id, "crawl": {"$lt": crawl}})

    async def delete_source(self, source_id: str) -> None:
        """Remove all pages of a source."""
        await self._pages.delete_many({"source_id": source_id})

    async def delete_agent(self, agent_id: str) -> None:
        """Remove all pages of an agent."""
        await self._pages.delete_many({"agent_id": agent_id})


def _id(source_id: str, url: str) -> str:
    return f"{source_id}/{hashlib.sha256(url.encode()).hexdigest()[:32]}"


def packed(sections: tuple[Section, ...]) -> bytes:
    """Return a page's text as it is kept. Raises Skipped when it is too large for that."""
    text = _zipped(sections)
    if len(text) > MOST_PACKED:
        raise Skipped("It has too much text for one page.")
    return text


def _zipped(value: Any) -> bytes:
    return zlib.compress(msgspec.json.encode(value))


def _visit(document: dict[str, Any]) -> Visit:
    links = _links.decode(zlib.decompress(document["links"]))
    return msgspec.convert(document | {"links": links}, Visit)
