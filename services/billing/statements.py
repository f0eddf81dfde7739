"""What an account reads of its ledger: entries page by page, usage by day."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from libs.contracts.billing import LedgerEntry, LedgerPage, UsageDay
from libs.runtime.documents import page_of, reader
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
        read = reader(LedgerEntry)
        items, more = await page_of(self._entries, query, read, cursor=cursor, limit=limit)
        return LedgerPage(items=tuple(items), next_cursor=more)

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
