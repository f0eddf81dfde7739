"""How far the crawl of a website has come: the part `site` of its source's document.

Each version of the source is a crawl of its own, by that number. `done` is the number of the last
that ended. `crawler` is the process that crawls: another one that takes the job over puts its own
token there, and the first finds out at its next step, as it finds out about a deletion.
"""

from dataclasses import dataclass
from typing import Any

import msgspec

from libs.contracts.sources import SitePages, Website
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database

DELETING = "deleting"
"""The status of a source that goes, and is not shown any more."""


@dataclass(frozen=True, kw_only=True)
class CrawlClaim:
    """A crawl that this process may do, until another one has taken it."""

    agent_id: str
    source_id: str
    website: Website
    number: int
    done: bool
    token: str
    tries: int
    """How often it was begun, this time included."""


@dataclass(frozen=True)
class CrawlResult:
    """The number of a crawl, whether it has ended, and why it gave no page."""

    number: int
    done: bool
    error: str | None


class Gone(Exception):
    """The crawl is not ours any more: taken over, begun anew, or its source deleted."""


class SiteStates:
    """The part `site` in the collection `sources`."""

    def __init__(self, database: Database) -> None:
        self._sources = database["sources"]

    async def account_of(self, source_id: str) -> str:
        """Return whose source it is. Raises Gone."""
        document = await self._sources.find_one(_there(source_id), {"account_id": 1})
        if document is None:
            raise Gone
        return str(document["account_id"])

    async def not_tried(self, claim: CrawlClaim) -> None:
        """Say that this time does not count: a server was away."""
        await self._sources.update_one(
            _there(claim.source_id), {"$inc": {f"site.tries.{claim.number}": -1}}
        )

    async def take(self, source_id: str) -> CrawlClaim:
        """Take over the crawl of a source. Raises Gone when there is no such source any more."""
        token = new_id("crawler")
        await self._sources.update_one(_there(source_id), {"$set": {"site.crawler": token}})
        await self._sources.update_one(
            {"_id": source_id, "status": "queued"}, {"$set": {"status": "processing"}}
        )
        document = await self._sources.find_one(_there(source_id))
        if document is None:
            raise Gone
        site = document["site"]
        version = str(document["version"])
        await self._sources.update_one(_there(source_id), {"$inc": {f"site.tries.{version}": 1}})
        return CrawlClaim(
            agent_id=document["agent_id"],
            source_id=source_id,
            website=msgspec.convert(site["website"], Website),
            number=document["version"],
            done=site["done"] == document["version"],
            token=token,
            tries=site.get("tries", {}).get(version, 0) + 1,
        )

    async def progress(self, claim: CrawlClaim, pages: SitePages) -> None:
        """Say how far it is. Raises Gone."""
        await self._change(claim, {"site.pages": msgspec.to_builtins(pages)})

    async def finish(self, claim: CrawlClaim, pages: SitePages | None, error: str | None) -> None:
        """Say how it ended; with an `error` there is no page. Raises Gone."""
        shown = {} if pages is None else {"site.pages": msgspec.to_builtins(pages)}
        await self._change(claim, shown | {"site.done": claim.number, "site.error": error})

    async def outcome(self, source_id: str) -> CrawlResult | None:
        """Return what came of the newest crawl of a source, None when that is deleted."""
        document = await self._sources.find_one(_there(source_id), {"site": 1, "version": 1})
        if document is None:
            return None
        site = document["site"]
        return CrawlResult(document["version"], site["done"] == document["version"], site["error"])

    async def _change(self, claim: CrawlClaim, change: dict[str, Any]) -> None:
        ours = _there(claim.source_id) | {
            "site.crawler": claim.token,
            "version": claim.number,
        }
        changed = await self._sources.update_one(ours, {"$set": change | {"updated_at": now()}})
        if not changed.matched_count:
            raise Gone


def _there(source_id: str) -> dict[str, Any]:
    return {"_id": source_id, "status": {"$ne": DELETING}}
