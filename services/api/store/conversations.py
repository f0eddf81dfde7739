"""Conversations and their turns. A turn is a question and the one answer to it.

A turn is one document, so question and answer can't come apart, and two requests at once on one
conversation each have their own. Turn ids sort by time, which is the order of the conversation.
"""

from datetime import datetime
from typing import Any, Literal

import msgspec

from libs.contracts.chat import SourceUsed
from libs.contracts.events import MessageFailed, MessageSent, Outcome
from libs.runtime.mongo import Collection, Database

Status = Literal["running", "done", "failed"]


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its turns. `visitor` is the hash of the token that owns it, if any.

    Metadata stays the JSON text that the client sent: its keys need not be valid field names.
    """

    id: str
    account_id: str
    agent_id: str
    created_at: datetime
    visitor: str | None = None
    metadata_json: str = "{}"


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What the agent answered."""

    text: str
    sources: tuple[SourceUsed, ...]
    confidence: float
    model: str
    credits: int
    finish_reason: str
    at: datetime


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """Why there is no answer."""

    code: str
    message: str
    at: datetime


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """A question and how it was answered. `id` is the message id of the answer."""

    id: str
    conversation_id: str
    account_id: str
    agent_id: str
    visitor: str | None
    question_id: str
    question: str
    metadata_json: str
    asked_at: datetime
    status: Status = "running"
    answer: Answer | None = None
    failure: Failure | None = None


class Conversations:
    """The `conversations` and `turns` collections."""

    def __init__(self, database: Database) -> None:
        self._conversations: Collection = database["conversations"]
        self._turns: Collection = database["turns"]

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._conversations.create_index([("agent_id", 1), ("_id", -1)])
        await self._turns.create_index([("conversation_id", 1), ("_id", -1)])
        await self._turns.create_index("agent_id")

    async def open(self, conversation: Conversation) -> None:
        """Store a new conversation."""
        await self._conversations.insert_one(_document(conversation))

    async def add(self, turn: Turn) -> None:
        """Store a question, before its request is published."""
        await self._turns.insert_one(_document(turn))

    async def get(self, conversation_id: str) -> Conversation | None:
        """Return the conversation, None when there is none."""
        document = await self._conversations.find_one({"_id": conversation_id})
        return msgspec.convert(_fields(document), Conversation) if document else None

    async def turn(self, message_id: str) -> Turn | None:
        """Return one turn, None when there is none."""
        document = await self._turns.find_one({"_id": message_id})
        return msgspec.convert(_fields(document), Turn) if document else None

    async def last_turns(
        self, conversation_id: str, limit: int, before: str | None = None
    ) -> list[Turn]:
        """Return the newest turns, oldest first; with `before`, those older than that turn."""
        query: dict[str, Any] = {"conversation_id": conversation_id}
        if before:
            query["_id"] = {"$lt": before}
        found = await self._turns.find(query).sort("_id", -1).to_list(limit)
        return [msgspec.convert(_fields(document), Turn) for document in reversed(found)]

    async def page(
        self, agent_id: str, cursor: str | None, limit: int
    ) -> tuple[list[Conversation], str | None]:
        """Return an agent's conversations, newest first, and the next cursor."""
        query: dict[str, Any] = {"agent_id": agent_id}
        if cursor:
            query["_id"] = {"$lt": cursor}
        found = await self._conversations.find(query).sort("_id", -1).to_list(limit + 1)
        items = [msgspec.convert(_fields(document), Conversation) for document in found[:limit]]
        return items, items[-1].id if len(found) > limit else None

    async def finish(self, message_id: str, end: Answer | Failure) -> None:
        """Store how a turn ended. Idempotent: the first end stays."""
        field, status = ("answer", "done") if isinstance(end, Answer) else ("failure", "failed")
        await self._turns.update_one(
            {"_id": message_id, "status": "running"},
            {"$set": {"status": status, field: _builtins(end)}},
        )

    async def delete_agent(self, agent_id: str) -> None:
        """Remove everything that was said to an agent."""
        await self._turns.delete_many({"agent_id": agent_id})
        await self._conversations.delete_many({"agent_id": agent_id})


def end_of(outcome: Outcome) -> Answer | Failure:
    """Return what a turn keeps of its outcome."""
    match outcome:
        case MessageSent():
            return Answer(
                text=outcome.message,
                sources=outcome.sources,
                confidence=outcome.confidence,
                model=outcome.model,
                credits=outcome.credits,
                finish_reason=outcome.finish_reason,
                at=outcome.at,
            )
        case MessageFailed():
            return Failure(code=outcome.code, message=outcome.message, at=outcome.at)


def _builtins(struct: msgspec.Struct) -> dict[str, Any]:
    builtins: dict[str, Any] = msgspec.to_builtins(struct, builtin_types=(datetime,))
    return builtins


def _document(struct: Conversation | Turn) -> dict[str, Any]:
    fields = _builtins(struct)
    fields["_id"] = fields.pop("id")
    return fields


def _fields(document: dict[str, Any]) -> dict[str, Any]:
    return {**document, "id": document["_id"]}
