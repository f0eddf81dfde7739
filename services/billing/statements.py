"""What an account reads of its ledger: entries page by page, usage by day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from libs.contracts.billing import LedgerEntry, LedgerPage, UsageDay
from libs.runtime.mongo import Collection, Database


class Statements:
    """Reads of the `ledger` collection."""

    def __init__(self, database: Database) -> None:
        self._entries: Collection = database["ledger"]

    async def page(
        self, account_id: str, agent_id: str | None, cursor: str | None, limit: int
    ) -> LedgerPage:
        """Return entries, newest first; those of one agent when it is named."""
        query: dict[str, Any] = {"account_id": account_id}
        if agent_id is not None:
            query["agent_id"] = agent_id
        if cursor:
            query["_id"] = {"$lt": cursor}
        found = await self._entries.find(query).sort("_id", -1).limit(limit + 1).to_list(None)
        items = tuple(_entry(document) for document in found[:limit])
        return LedgerPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    async def usage(
        self, account_id: str, since: date, until: date, agent_id: str | None
    ) -> tuple[UsageDay, ...]:
        """Add up the debits of each UTC day from `since` to `until`, both included."""
        match: dict[str, Any] = {
            "account_id": account_id,
            "at": {"$gte": _midnight(since), "$lt": _midnight(until + timedelta(days=1))},
            "kind": "debit",
        }
        if agent_id is not None:
            match["agent_id"] = agent_id
        group = {"_id": "$day", "messages": {"$sum": 1}, "credits": {"$sum": "$credits"}}
        rows = self._entries.aggregate([{"$match": match}, {"$group": group}])
        days = [
            UsageDay(
                day=date.fromisoformat(row["_id"]),
                messages=row["messages"],
                credits=-row["credits"],
            )
            async for row in rows
        ]
        return tuple(sorted(days, key=lambda usage: usage.day))


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _entry(document: dict[str, Any]) -> LedgerEntry:
    return LedgerEntry(
        id=document["_id"],
        kind=document["kind"],
        credits=document["credits"],
        at=document["at"],
        agent_id=document["agent_id"],
        message_id=document["message_id"],
        model=document["model"],
        note=document["note"],
    )
