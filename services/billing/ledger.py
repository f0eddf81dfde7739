"""Balances and the ledger in Mongo, kept in step without transactions.

`balances` has one document an account: `available` credits, and `holds` by message id. Every change
of both is one atomic update of that document, guarded by the presence of the hold, so doing it
again changes nothing. `ledger` has one document an entry, with an id derived from the message or
grant, so inserting it again changes nothing either. The balance is `available` plus all holds and
equals the sum of the ledger; an interrupted settlement leaves the entry written and the hold in
place until the event is delivered again, which finishes it. The entry names the hold that pays for
it: one that comes later, as its message was accepted again, is given back.

An account is one document, so its holds and settlements are committed in groups.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from libs.contracts.billing import Balance, Hold, LedgerEntry
from libs.runtime.clock import now
from libs.runtime.documents import to_document
from libs.runtime.group_commit import GroupCommit
from libs.runtime.mongo import Collection, Database, insert_new
from services.billing.holds import OpenHold, credits_of, kept, open_holds

HOLDS_EVERY = 0.01
"""Seconds between two writes of holds: requests wait for theirs."""
SETTLEMENTS_EVERY = 0.1
"""Seconds between two writes of debits: nobody waits for one."""


@dataclass(frozen=True)
class Settlement:
    """How a hold ends: with the entry of a debit, or given back whole when there is none."""

    account_id: str
    message_id: str
    entry: LedgerEntry | None


@dataclass(frozen=True)
class Left:
    """What an account has left, and what its owner was told of that since credits were added."""

    available: int
    told: tuple[str, ...] = ()


class TooFewCredits(Exception):
    """The account has fewer credits available than the answer costs."""

    def __init__(self, needed: int, left: Left) -> None:
        super().__init__(f"the answer costs {needed} credits, {left.available} are available")
        self.left = left


class Ledger:
    """All writes of billing's collections, and the balance."""

    def __init__(self, database: Database) -> None:
        self._balances: Collection = database["balances"]
        self._entries: Collection = database["ledger"]
        self._holding: GroupCommit[tuple[Hold, int], None] = GroupCommit(
            self._hold_group, interval=HOLDS_EVERY
        )
        self._settling: GroupCommit[Settlement, Left] = GroupCommit(
            self._settle_group, interval=SETTLEMENTS_EVERY
        )

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._balances.create_index("last_hold_at")
        await self._entries.create_index([("account_id", 1), ("_id", -1)])
        await self._entries.create_index([("account_id", 1), ("at", 1)])

    async def hold(self, hold: Hold, credits: int) -> None:
        """Set credits aside, once for each message id. Raises InsufficientCredits."""
        await self._holding.add((hold, credits))

    async def debit(self, account_id: str, message_id: str, entry: LedgerEntry) -> Left:
        """Turn a hold into a ledger entry, exactly once; what it had beyond that goes back."""
        return await self._settling.add(Settlement(account_id, message_id, entry))

    async def refund(self, account_id: str, message_id: str) -> None:
        """Give a hold back, exactly once."""
        await self._settling.add(Settlement(account_id, message_id, None))

    async def grant(self, account_id: str, entry: LedgerEntry) -> None:
        """Add credits, exactly once for each entry id.

        The balance remembers which grants it has, and those whose entry is not written yet, so that
        a crash between the two leaves something to finish (see finish_grants), nothing to do twice.
        """
        await self._open(account_id)
        unwritten = f"grants.{entry.id}"
        marker = {"credits": entry.credits, "at": entry.at, "note": entry.note}
        await self._balances.update_one(
            {"_id": account_id, "granted": {"$ne": entry.id}},
            {
                "$inc": {"available": entry.credits},
                "$push": {"granted": entry.id},
                "$set": {unwritten: marker, "told": []},
            },
        )
        await insert_new(self._entries, [_document(account_id, entry)])
        await self._balances.update_one({"_id": account_id}, {"$unset": {unwritten: ""}})

    async def finish_grants(self) -> None:
        """Write the ledger entries of grants that a crash interrupted."""
        async for document in self._balances.find({"grants": {"$exists": True}}, {"grants": 1}):
            for entry_id, marker in document["grants"].items():
                entry = LedgerEntry(id=entry_id, kind="grant", **marker)
                await self.grant(document["_id"], entry)

    async def balance(self, account_id: str) -> Balance:
        """Return the balance; an account that never got credits has none."""
        document = await self._balances.find_one({"_id": account_id}) or {}
        available = document.get("available", 0)
        held = sum(map(credits_of, document.get("holds", {}).values()))
        return Balance(balance=available + held, held=held, available=available)

    async def holds_before(
        self, moment: datetime, active_since: datetime
    ) -> AsyncIterator[OpenHold]:
        """Yield holds older than `moment`, of accounts that held anything after `active_since`."""
        query = {"last_hold_at": {"$gte": active_since}}
        async for document in self._balances.find(query, {"holds": 1}):
            for hold in open_holds(document["_id"], document["holds"]):
                if hold.at < moment:
                    yield hold

    async def _hold_group(self, group: list[tuple[Hold, int]]) -> Sequence[Exception | None]:
        by_account: dict[str, list[int]] = defaultdict(list)
        for index, (hold, _) in enumerate(group):
            by_account[hold.account_id].append(index)
        results: list[Exception | None] = [None] * len(group)

        async def of_account(account_id: str, indexes: list[int]) -> None:
            refused = await self._hold_all(account_id, [group[index] for index in indexes])
            for index in indexes:
                results[index] = refused.get(group[index][0].message_id)

        await asyncio.gather(*(of_account(*item) for item in by_account.items()))
        return results

    async def _hold_all(
        self, account_id: str, asked: Iterable[tuple[Hold, int]]
    ) -> dict[str, TooFewCredits]:
        """Hold what the account can pay, first come first; return what was refused, by message."""
        # A call that was asked again while it waited is here twice, and is one hold.
        wanted = {hold.message_id: (hold, credits) for hold, credits in asked}
        refused: dict[str, TooFewCredits] = {}
        while wanted and not await self._try_hold(account_id, list(wanted.values())):
            # Not all of them fit, or one was held before.
            left, held = await self._state(account_id, wanted)
            available = left.available
            for message_id, (_, credits) in list(wanted.items()):
                if message_id in held:
                    del wanted[message_id]
                elif credits > available:
                    refused[message_id] = TooFewCredits(credits, Left(available, left.told))
                    del wanted[message_id]
                else:
                    available -= credits
        return refused

    async def _try_hold(self, account_id: str, members: list[tuple[Hold, int]]) -> bool:
        """Hold all of them or none."""
        total = sum(credits for _, credits in members)
        moment = now()
        holds = {
            f"holds.{hold.message_id}": kept(hold, credits, moment) for hold, credits in members
        }
        absent = {path: {"$exists": False} for path in holds}
        result = await self._balances.update_one(
            {"_id": account_id, "available": {"$gte": total}, **absent},
            {"$inc": {"available": -total}, "$set": {**holds, "last_hold_at": moment}},
        )
        return bool(result.modified_count)

    async def _settle_group(self, group: list[Settlement]) -> Sequence[Left]:
        by_account: dict[str, set[str]] = defaultdict(set)
        for end in group:
            by_account[end.account_id].add(end.message_id)
        found = await asyncio.gather(*(self._holds(*item) for item in by_account.items()))
        holds = {message_id: hold for one in found for message_id, hold in one.items()}
        spent = await self._write([end for end in group if end.entry], holds)
        lefts = await asyncio.gather(
            *(self._end_holds(account_id, ends, spent) for account_id, ends in by_account.items())
        )
        left = dict(zip(by_account, lefts, strict=True))
        return [left[end.account_id] for end in group]

    async def _write(self, debits: list[Settlement], holds: Mapping[str, str]) -> dict[str, int]:
        """Write the entries; return what each of these holds has to pay for."""
        entries = {end.entry.id: (end, end.entry) for end in reversed(debits) if end.entry}
        documents = [
            _document(end.account_id, entry) | {"hold": holds.get(end.message_id)}
            for end, entry in entries.values()
        ]
        known = await insert_new(self._entries, documents)
        spent = {end.message_id: -entry.credits for end, entry in entries.values()}
        for known_id in known:
            message_id = entries[known_id][0].message_id
            spent[message_id] = await self._left_to_pay(known_id, holds.get(message_id))
        return spent

    async def _left_to_pay(self, entry: str, hold: str | None) -> int:
        """Return what a hold has to pay for an entry that was written before.

        Looked up, not trusted: a crash may have come before the end of a hold for another price, or
        this is another hold than the one that pays. An entry that none pays for takes it.
        """
        await self._entries.update_one({"_id": entry, "hold": None}, {"$set": {"hold": hold}})
        found = await self._entries.find_one({"_id": entry}, {"credits": 1, "hold": 1})
        return -found["credits"] if found is not None and found.get("hold") == hold else 0

    async def _end_holds(self, account_id: str, ends: Iterable[str], spent: dict[str, int]) -> Left:
        """End those of the holds that are still there, whoever else is ending some of them."""
        while True:
            left, held = await self._state(account_id, ends)
            if not held:
                return left
            paths = [f"holds.{message_id}" for message_id in held]
            back = sum(held.values()) - sum(spent.get(message_id, 0) for message_id in held)
            result = await self._balances.update_one(
                {"_id": account_id, **{path: {"$exists": True} for path in paths}},
                {"$inc": {"available": back}, "$unset": dict.fromkeys(paths, "")},
            )
            if result.modified_count:
                return Left(left.available + back, left.told)

    async def tell(self, account_id: str, level: str) -> None:
        """Note that an account's owner was told something, until credits are added."""
        await self._balances.update_one({"_id": account_id}, {"$addToSet": {"told": level}})

    async def grants(self, account_id: str) -> int:
        """Return how often credits were added to an account."""
        document = await self._balances.find_one({"_id": account_id}, {"granted": 1}) or {}
        return len(document.get("granted", []))

    async def _open(self, account_id: str) -> None:
        """Give an account its empty balance, unless it has one."""
        await self._balances.update_one(
            {"_id": account_id}, {"$setOnInsert": {"available": 0, "holds": {}}}, upsert=True
        )

    async def _state(self, account_id: str, ids: Iterable[str]) -> tuple[Left, dict[str, int]]:
        """Return what an account has left, and those of these holds that are there."""
        document = await self._read(account_id, ids)
        if document is None:
            await self._open(account_id)
            return Left(0), {}
        holds = document.get("holds", {})
        left = Left(document["available"], tuple(document.get("told", ())))
        return left, {each: credits_of(holds[each]) for each in holds}

    async def _holds(self, account_id: str, ids: Iterable[str]) -> dict[str, str]:
        """Return those of these holds that are there, as they are kept: each is unlike others."""
        document = await self._read(account_id, ids) or {}
        holds: dict[str, str] = document.get("holds", {})
        return holds

    async def _read(self, account_id: str, ids: Iterable[str]) -> dict[str, Any] | None:
        fields = {f"holds.{message_id}": 1 for message_id in ids}
        document: dict[str, Any] | None = await self._balances.find_one(
            {"_id": account_id}, {"available": 1, "told": 1, **fields}
        )
        return document


def entry_id(source_id: str) -> str:
    """The ledger id of what a message or grant did: it sorts by the time in the source's ULID."""
    return "led_" + source_id.split("_", 1)[1]


def _document(account_id: str, entry: LedgerEntry) -> dict[str, Any]:
    day = entry.at.date().isoformat()
    return to_document(entry) | {"account_id": account_id, "day": day}
