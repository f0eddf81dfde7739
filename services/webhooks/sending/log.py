"""Mongo: what was delivered, with its attempts; what a replay sends again.

A row is one event for one endpoint. It is written with its first attempt, in one write together
with others that end at the same time, after the endpoint's turn is over: it delays no delivery.
"""

import hashlib
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pymongo import UpdateOne
from pymongo.errors import BulkWriteError
from ulid import ULID

from libs.contracts.webhooks import Attempt, Delivery, DeliveryRow, DeliveryStatus, Replay
from libs.runtime.clock import now
from libs.runtime.deleted_agents import DeletedAgents
from libs.runtime.documents import from_document, page_of, to_part
from libs.runtime.group_commit import GroupCommit
from libs.runtime.mongo import DUPLICATE_KEY, Collection, Database, insert_new

WRITES_EVERY = 0.05
"""Seconds between two writes of attempts: nobody waits for one."""
REPLAYED_AT_ONCE = 200


@dataclass(frozen=True)
class Entry:
    """What is to be noted of a delivery. Without an attempt only its status changes."""

    delivery: Delivery
    status: DeliveryStatus
    attempt: Attempt | None = None
    next_attempt_at: datetime | None = None


def delivery_id(event_id: str, endpoint_id: str, at: datetime) -> str:
    """Return the id of an event's delivery to an endpoint.

    Always the same for the two, so that an event which is fanned out again is still one delivery;
    and a ULID, so that ids sort by the time of the event.
    """
    chance = hashlib.sha256(f"{event_id} {endpoint_id}".encode()).digest()[:10]
    return _id(at, chance)


def first_id(at: datetime) -> str:
    """Return the smallest id of a delivery of an event at this time."""
    return _id(at, bytes(10))


def _id(at: datetime, chance: bytes) -> str:
    moment = max(0, int(at.timestamp() * 1000))
    return f"dlv_{str(ULID.from_bytes(moment.to_bytes(6, 'big') + chance)).lower()}"


class DeliveryLog:
    """The collection `webhook_deliveries`. A row is kept for `days` after its first attempt."""

    def __init__(self, database: Database, *, days: float, attempts: int) -> None:
        self._rows: Collection = database["webhook_deliveries"]
        self._deleted_agents = DeletedAgents(database, "webhooks")
        self._age = timedelta(days=days)
        self._attempts = attempts
        self._writing: GroupCommit[Entry, None] = GroupCommit(
            self._write_group, interval=WRITES_EVERY
        )

    async def create_indexes(self) -> None:
        """Create the indexes; harmless when they are there."""
        await self._rows.create_index([("endpoint_id", 1), ("_id", -1)])
        await self._rows.create_index([("endpoint_id", 1), ("status", 1), ("_id", -1)])
        await self._rows.create_index("agent_id")
        # The time itself is in the row: another retention holds for what is logged from then on.
        await self._rows.create_index("expires_at", expireAfterSeconds=0)

    async def note(self, entry: Entry) -> None:
        """Write an entry; returns when it is written. Again, it changes nothing."""
        await self._writing.add(entry)

    async def superseded(self, delivery: Delivery) -> bool:
        """Whether a replay has begun since this attempt was planned."""
        row = await self._rows.find_one({"_id": delivery.delivery_id}, {"replay_id": 1})
        return row is not None and row["replay_id"] != delivery.replay_id

    async def page(
        self, endpoint_id: str, status: DeliveryStatus | None, cursor: str | None, limit: int
    ) -> tuple[tuple[DeliveryRow, ...], str | None]:
        """Return rows, newest event first, and the cursor of the next page.

        Fewer than `limit` when they would not fit in a message.
        """
        query: dict[str, Any] = {"endpoint_id": endpoint_id}
        if status:
            query["status"] = status
        rows, next_cursor = await page_of(
            self._rows, query, _row, cursor=cursor, limit=limit, without=("body",)
        )
        return tuple(rows), next_cursor

    async def get(self, endpoint_id: str, row_id: str) -> tuple[DeliveryRow, str] | None:
        """Return a row and the body that was delivered, None when there is no such row."""
        document = await self._rows.find_one({"_id": row_id})
        if document is None or document["endpoint_id"] != endpoint_id:
            return None
        return _row(document), str(document["body"])

    async def of_statuses(self, replay: Replay) -> AsyncIterator[Delivery]:
        """Yield what a replay is to send, oldest first by status.

        What it had begun with before a crash is among it.
        """
        begun: dict[str, Any] = {"status": "retrying", "replay_id": replay.replay_id}
        for only in (begun, *({"status": status} for status in replay.statuses)):
            first = {"$gte": replay.first}
            while True:
                ids = {**first, "$lte": replay.last}
                query = {"endpoint_id": replay.endpoint_id, **only, "_id": ids}
                found = self._rows.find(query).sort("_id", 1).limit(REPLAYED_AT_ONCE)
                documents = await found.to_list(None)
                for document in documents:
                    yield _delivery(document, replay)
                if len(documents) < REPLAYED_AT_ONCE:
                    break
                first = {"$gt": documents[-1]["_id"]}

    async def replaying(self, delivery: Delivery) -> None:
        """Note that a delivery is to be sent again; the retries it had do not count any more."""
        changes = {
            "status": "retrying",
            "replay_id": delivery.replay_id,
            "next_attempt_at": now(),
        }
        # Not again after a crash: it may have been sent by then.
        other = {"_id": delivery.delivery_id, "replay_id": {"$ne": delivery.replay_id}}
        await self._rows.update_one(other, {"$set": changes})

    async def forget(self, agent_id: str) -> None:
        """Remove what is logged of an agent's endpoints, also of those that are gone."""
        await self._rows.delete_many({"agent_id": agent_id})

    async def _write_group(self, group: list[Entry]) -> Sequence[None]:
        """Insert what is new, then add to the rows that there are.

        Inserting many rows is one commit; each change of a row is one of its own.
        """
        new = {_row_id(one): one for one in reversed(group) if _is_first(one)}
        known = await insert_new(self._rows, [self._document(one) for one in new.values()])
        added = {id(one) for row_id, one in new.items() if row_id not in known}
        await self._add([one for one in group if id(one) not in added])
        for agent_id in await self._deleted_agents.among(one.delivery.agent_id for one in group):
            await self.forget(agent_id)
        return [None] * len(group)

    async def _add(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            await self._rows.bulk_write([self._upsert(one) for one in entries], ordered=False)
        except BulkWriteError as error:
            problems = error.details["writeErrors"]
            if any(problem["code"] != DUPLICATE_KEY for problem in problems):
                raise
            for problem in problems:
                await self._add_only(entries[problem["index"]])

    def _document(self, entry: Entry) -> dict[str, Any]:
        attempts = [to_part(entry.attempt)] if entry.attempt else []
        return {
            "_id": _row_id(entry),
            "replay_id": entry.delivery.replay_id,
            "status": entry.status,
            "next_attempt_at": entry.next_attempt_at,
            "attempts": attempts,
            **self._fixed(entry.delivery),
        }

    def _upsert(self, entry: Entry) -> UpdateOne:
        """Make the row, or add to it, unless this attempt is there or a replay has taken over."""
        delivery, attempt = entry.delivery, entry.attempt
        same: dict[str, Any] = {"_id": delivery.delivery_id, "replay_id": delivery.replay_id}
        change: dict[str, Any] = {
            "$setOnInsert": self._fixed(delivery),
            "$set": {"status": entry.status, "next_attempt_at": entry.next_attempt_at},
        }
        if attempt is not None:
            same["attempts.id"] = {"$ne": attempt.id}
            change["$push"] = {"attempts": self._last(attempt)}
        return UpdateOne(same, change, upsert=True)

    async def _add_only(self, entry: Entry) -> None:
        """Add an attempt to a row that a replay has taken over; its status is the replay's."""
        if entry.attempt is not None:
            await self._rows.update_one(
                {"_id": entry.delivery.delivery_id, "attempts.id": {"$ne": entry.attempt.id}},
                {"$push": {"attempts": self._last(entry.attempt)}},
            )

    def _last(self, attempt: Attempt) -> dict[str, Any]:
        return {"$each": [to_part(attempt)], "$slice": -self._attempts}

    def _fixed(self, delivery: Delivery) -> dict[str, Any]:
        return {
            "endpoint_id": delivery.endpoint_id,
            "agent_id": delivery.agent_id,
            "webhook_id": delivery.webhook_id,
            "event": delivery.event,
            "body": delivery.body,
            "test": delivery.test,
            "expires_at": now() + self._age,
        }


def _row_id(entry: Entry) -> str:
    return entry.delivery.delivery_id


def _is_first(entry: Entry) -> bool:
    return entry.delivery.attempt == 1 and not entry.delivery.replay_id


def _row(document: dict[str, Any]) -> DeliveryRow:
    return from_document({"attempts": [], **document}, DeliveryRow)


def _delivery(document: dict[str, Any], replay: Replay) -> Delivery:
    return Delivery(
        webhook_id=document["webhook_id"],
        endpoint_id=document["endpoint_id"],
        agent_id=document["agent_id"],
        event=document["event"],
        body=document["body"],
        delivery_id=document["_id"],
        replay_id=replay.replay_id,
        test=document["test"],
        account_id=replay.account_id,
    )
