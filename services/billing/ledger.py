"""Balances and the ledger in Mongo, kept in step without transactions.

`balances` has one document an account: `available` credits, and `holds` by message id. Every change
of both is one atomic update of that document, guarded by the presence of the hold, so doing it
again changes nothing. `ledger` has one document an entry, with an id derived from the message or
grant, so inserting it again changes nothing either. The balance is `available` plus all holds and
equals the sum of the ledger; an interrupted settlement leaves the entry written and the hold in
place until the event is delivered again, which finishes it.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from libs.contracts.billing import Balance, Hold, LedgerEntry, LedgerPage, UsageDay
from libs.runtime.clock import now
from libs.runtime.mongo import Collection, Database, DuplicateError


@dataclass(frozen=True)
class OpenHold:
    """Credits set aside for an answer that has no outcome yet."""

    account_id: str
    agent_id: str
    conversation_id: str
    message_id: str
    credits: int
    at: datetime


class InsufficientCredits(Exception):
    """The account has fewer credits available than the answer costs."""

    def __init__(self, needed: int, available: int) -> None:
        super().__init__(f"the answer costs {needed} credits, {available} are available")


class Ledger:
    """All reads and writes of billing's collections."""

    def __init__(self, database: Database) -> None:
        self._balances: Collection = database["balances"]
        self._entries: Collection = database["ledger"]

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._balances.create_index("last_hold_at")
        await self._entries.create_index([("account_id", 1), ("_id", -1)])
        await self._entries.create_index([("account_id", 1), ("at", 1)])

    async def hold(self, hold: Hold, credits: int) -> None:
        """Set credits aside, once for each message id. Raises InsufficientCredits."""
        path = f"holds.{hold.message_id}"
        moment = now()
        record = {
            "credits": credits,
            "agent_id": hold.agent_id,
            "conversation_id": hold.conversation_id,
            "at": moment,
        }
        held = await self._balances.update_one(
            {"_id": hold.account_id, "available": {"$gte": credits}, path: {"$exists": False}},
            {"$inc": {"available": -credits}, "$set": {path: record, "last_hold_at": moment}},
        )
        if held.modified_count:
            return
        document = await self._balances.find_one(
            {"_id": hold.account_id}, {"available": 1, path: 1}
        )
        if document is None or hold.message_id not in document.get("holds", {}):
            raise InsufficientCredits(credits, document["available"] if document else 0)

    async def debit(self, entry: LedgerEntry, account_id: str) -> None:
        """Turn the hold of `entry.message_id` into a ledger entry, exactly once."""
        await self._insert(account_id, entry)
        # The entry says what was spent; what the hold had beyond that goes back.
        await self._end_hold(account_id, str(entry.message_id), spent=-entry.credits)

    async def refund(self, account_id: str, message_id: str) -> None:
        """Give a hold back, exactly once."""
        await self._end_hold(account_id, message_id, spent=0)

    async def grant(self, account_id: str, entry: LedgerEntry) -> None:
        """Add credits, exactly once for each entry id.

        A marker in the balance remembers the grant until its entry is written, so that a crash
        between the two leaves something to finish (see finish_grants) and nothing to do twice.
        """
        if await self._entries.find_one({"_id": entry.id}, {"_id": 1}) is None:
            await self._balances.update_one(
                {"_id": account_id}, {"$setOnInsert": {"available": 0, "holds": {}}}, upsert=True
            )
            marker = {"credits": entry.credits, "at": entry.at, "note": entry.note}
            await self._balances.update_one(
                {"_id": account_id, f"grants.{entry.id}": {"$exists": False}},
                {"$inc": {"available": entry.credits}, "$set": {f"grants.{entry.id}": marker}},
            )
            await self._insert(account_id, entry)
        await self._balances.update_one({"_id": account_id}, {"$unset": {f"grants.{entry.id}": ""}})

    async def finish_grants(self) -> None:
        """Write the ledger entries of grants that a crash interrupted."""
        async for document in self._balances.find({"grants": {"$exists": True}}, {"grants": 1}):
            for entry_id, marker in document["grants"].items():
                await self.grant(
                    document["_id"],
                    LedgerEntry(
                        id=entry_id,
                        kind="grant",
                        credits=marker["credits"],
                        at=marker["at"],
                        note=marker["note"],
                    ),
                )

    async def balance(self, account_id: str) -> Balance:
        """Return the balance; an account that never got credits has none."""
        document = await self._balances.find_one({"_id": account_id}) or {}
        available = document.get("available", 0)
        held = sum(hold["credits"] for hold in document.get("holds", {}).values())
        return Balance(balance=available + held, held=held, available=available)

    async def page(self, account_id: str, cursor: str | None, limit: int) -> LedgerPage:
        """Return entries, newest first."""
        query: dict[str, Any] = {"account_id": account_id}
        if cursor:
            query["_id"] = {"$lt": cursor}
        found = await self._entries.find(query).sort("_id", -1).to_list(limit + 1)
        items = tuple(_entry(document) for document in found[:limit])
        return LedgerPage(items=items, next_cursor=items[-1].id if len(found) > limit else None)

    async def usage(
        self, account_id: str, since: date, until: date, agent_id: str | None
    ) -> tuple[UsageDay, ...]:
        """Add up the debits of each UTC day from `since` to `until`, both included."""
        first = datetime(since.year, since.month, since.day, tzinfo=UTC)
        end = datetime(until.year, until.month, until.day, tzinfo=UTC) + timedelta(days=1)
        match: dict[str, Any] = {"account_id": account_id, "at": {"$gte": first, "$lt": end}}
        match["kind"] = "debit"
        if agent_id:
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

    async def holds_before(
        self, moment: datetime, active_since: datetime
    ) -> AsyncIterator[OpenHold]:
        """Yield holds older than `moment`, of accounts that held anything after `active_since`."""
        query = {"last_hold_at": {"$gte": active_since}}
        async for document in self._balances.find(query, {"holds": 1}):
            for message_id, hold in document["holds"].items():
                if hold["at"] < moment:
                    yield OpenHold(account_id=document["_id"], message_id=message_id, **hold)

    async def _insert(self, account_id: str, entry: LedgerEntry) -> None:
        try:
            await self._entries.insert_one(
                {
                    "_id": entry.id,
                    "account_id": account_id,
                    "kind": entry.kind,
                    "credits": entry.credits,
                    "at": entry.at,
                    "day": entry.at.date().isoformat(),
                    "agent_id": entry.agent_id,
                    "message_id": entry.message_id,
                    "model": entry.model,
                    "note": entry.note,
                }
            )
        except DuplicateError:
            return  # delivered before: the entry is there

    async def _end_hold(self, account_id: str, message_id: str, spent: int) -> None:
        path = f"holds.{message_id}"
        document = await self._balances.find_one(
            {"_id": account_id, path: {"$exists": True}}, {path: 1}
        )
        if document is None:
            return  # delivered before: the hold has ended
        held = document["holds"][message_id]["credits"]
        await self._balances.update_one(
            {"_id": account_id, path: {"$exists": True}},
            {"$unset": {path: ""}, "$inc": {"available": held - spent}},
        )


def entry_id(source_id: str) -> str:
    """The ledger id of what a message or grant did: it sorts by the time in the source's ULID."""
    return "led_" + source_id.split("_", 1)[1]


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
