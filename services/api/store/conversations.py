"""Conversations and their messages.

Messages are only ever inserted: a question when it is accepted, its answer (or failure) when the
outcome is on the event log. `order` is the id of the turn and which half it is, so a conversation
reads question, answer, question, answer, also when two requests run at once. A conversation keeps
its last exchanges in its own document: one read by id gives a request all it needs, however long
the conversation is.
"""

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from pymongo import UpdateOne

from libs.contracts.chat import CANCELLED, Exchange, SourceUsed
from libs.contracts.events import MessageFailed, MessageSent, Outcome, outcome_id
from libs.runtime.deleted_agents import DeletedAgents
from libs.runtime.documents import from_document, page_of, reader, to_document, to_part, up_to
from libs.runtime.group_commit import GroupCommit
from libs.runtime.mongo import Collection, Database, insert_new
from services.api.store.history import shortened

RECENT_EXCHANGES = 20
"""Exchanges that a conversation keeps in its own document; HISTORY_TURNS can't be more."""


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation without its messages. `visitor` is the hash of its owner's token, if any.

    Metadata stays the JSON text that the client sent: its keys need not be valid field names.
    """

    id: str
    account_id: str
    agent_id: str
    created_at: datetime
    visitor: str | None = None
    metadata_json: str = "{}"
    recent: tuple[Exchange, ...] = ()


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """How an answer was rated. `version` counts the ratings that it had."""

    rating: Literal["up", "down"]
    comment: str
    version: int
    at: datetime


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One message. What follows `metadata_json` is the assistant's; `error` of one that failed.

    A question has the `model`, the `credits` and the `edge` of its request, an answer the newest
    `feedback`.
    """

    id: str
    order: str
    conversation_id: str
    agent_id: str
    role: Literal["user", "assistant"]
    content: str
    at: datetime
    metadata_json: str = "{}"
    status: Literal["done", "failed", "cancelled"] = "done"
    sources: tuple[SourceUsed, ...] = ()
    confidence: float = 0.0
    model: str = ""
    credits: int = 0
    finish_reason: str = ""
    error_code: str = ""
    error_message: str = ""
    edge: str = ""
    suggestions: tuple[str, ...] = ()
    feedback: Feedback | None = None


QUESTIONS_EVERY = 0.01
"""Seconds between two writes of questions: their answers wait for it."""
OUTCOMES_EVERY = 0.03
"""Seconds between two writes of answers."""


class Conversations:
    """The `conversations` and `messages` collections."""

    def __init__(self, database: Database) -> None:
        self._conversations: Collection = database["conversations"]
        self._messages: Collection = database["messages"]
        self._deleted_agents = DeletedAgents(database, "api")
        self._opening: GroupCommit[Conversation, None] = GroupCommit(
            self._open_group, interval=QUESTIONS_EVERY
        )
        self._adding: GroupCommit[StoredMessage, None] = GroupCommit(
            self._add_group, interval=QUESTIONS_EVERY
        )
        self._ending: GroupCommit[StoredMessage, None] = GroupCommit(
            self._add_group, interval=OUTCOMES_EVERY
        )
        self._remembering: GroupCommit[Outcome, None] = GroupCommit(
            self._remember_group, interval=OUTCOMES_EVERY
        )

    async def create_indexes(self) -> None:
        """Create what the queries need; safe to repeat."""
        await self._conversations.create_index([("agent_id", 1), ("_id", -1)])
        await self._conversations.create_index("idle_since", sparse=True)
        await self._messages.create_index([("conversation_id", 1), ("order", -1)])
        await self._messages.create_index("agent_id")

    async def ask(self, question: StoredMessage, opened: Conversation | None) -> None:
        """Store a question and, when it is the first, its conversation.

        One of the two may be missing when the edge was killed meanwhile; the hold on its credits is
        there by then, and billing's sweep gives the message an end.
        """
        if opened is None:
            await self._adding.add(question)
        else:
            await asyncio.gather(self._opening.add(opened), self._adding.add(question))

    async def record(self, outcome: Outcome) -> None:
        """Store how a message ended. Idempotent by message id: the first end stays."""
        await asyncio.gather(self._ending.add(_ending(outcome)), self._remembering.add(outcome))

    async def take_back(self, agent_id: str) -> None:
        """Remove what was stored of an agent that was deleted meanwhile; to be called afterwards.

        What was asked goes with how it ended: every question that was accepted has an outcome.
        """
        if await self._deleted_agents.has(agent_id):
            await self.delete_agent(agent_id)

    async def get(self, conversation_id: str) -> Conversation | None:
        """Return the conversation, None when there is none."""
        document = await self._conversations.find_one({"_id": conversation_id})
        return from_document(document, Conversation) if document else None

    async def message(self, message_id: str) -> StoredMessage | None:
        """Return one message, None when there is none (yet)."""
        document = await self._messages.find_one({"_id": message_id})
        return from_document(document, StoredMessage) if document else None

    async def outcome(self, message_id: str) -> Outcome | None:
        """Return how a message ended, None when it has not."""
        message = await self.message(message_id)
        return _outcome(message) if message else None

    async def rate(self, message_id: str, before: Feedback | None, feedback: Feedback) -> bool:
        """Store a rating in the place of another; False when that is not there any more."""
        version = before.version if before else None
        result = await self._messages.update_one(
            {"_id": message_id, "feedback.version": version},
            {"$set": {"feedback": to_part(feedback)}},
        )
        return bool(result.modified_count)

    async def messages(
        self, conversation_id: str, limit: int, before: str | None = None
    ) -> list[StoredMessage]:
        """Return the newest messages, oldest first; with `before`, those of smaller order."""
        query: dict[str, Any] = {"conversation_id": conversation_id}
        if before:
            query["order"] = {"$lt": before}
        found = await self._messages.find(query).sort("order", -1).limit(limit).to_list(None)
        return [from_document(document, StoredMessage) for document in reversed(found)]

    async def part(
        self, conversation_id: str, before: str | None, limit: int, most_bytes: int
    ) -> tuple[list[StoredMessage], bool]:
        """Return the newest messages, oldest first, and whether there are more; see up_to()."""
        query: dict[str, Any] = {"conversation_id": conversation_id}
        if before:
            query["order"] = {"$lt": before}
        newest = self._messages.find(query).sort("order", -1).limit(limit + 1)
        found, more = await up_to(newest, reader(StoredMessage), limit, most_bytes)
        return found[::-1], more

    async def page(
        self, agent_id: str, cursor: str | None, limit: int, most_bytes: int
    ) -> tuple[list[Conversation], str | None]:
        """Return an agent's conversations, newest first, and the next cursor; see page_of()."""
        return await page_of(
            self._conversations,
            {"agent_id": agent_id},
            reader(Conversation),
            cursor=cursor,
            limit=limit,
            most_bytes=most_bytes,
            without=("recent",),
        )

    async def idle(self, before: datetime, limit: int) -> list[tuple[Conversation, datetime]]:
        """Return open conversations that seem idle, longest first, and since when.

        What was asked since the last answer does not count here; see `last_message_at`.
        """
        query = {"idle_since": {"$lt": before}}
        found = self._conversations.find(query, {"recent": 0}).sort("idle_since", 1).limit(limit)
        return [
            (from_document(document, Conversation), document["idle_since"])
            async for document in found
        ]

    async def last_message_at(self, conversation_id: str) -> datetime | None:
        """Return when the newest message of a conversation was stored, None without any."""
        newest = await self.messages(conversation_id, 1)
        return newest[0].at if newest else None

    async def active(self, conversation_id: str, at: datetime) -> None:
        """Note that a conversation is open and had a message at this time."""
        await self._conversations.update_one({"_id": conversation_id}, {"$max": {"idle_since": at}})

    async def ended(self, conversation_id: str, idle_since: datetime) -> None:
        """Note that a conversation has ended, unless it was taken up again."""
        await self._conversations.update_one(
            {"_id": conversation_id, "idle_since": idle_since}, {"$unset": {"idle_since": ""}}
        )

    async def delete_agent(self, agent_id: str) -> None:
        """Remove everything that was said to an agent."""
        await self._messages.delete_many({"agent_id": agent_id})
        await self._conversations.delete_many({"agent_id": agent_id})

    async def _open_group(self, group: list[Conversation]) -> Sequence[None]:
        documents = [to_document(opened) | {"idle_since": opened.created_at} for opened in group]
        await insert_new(self._conversations, documents)
        return [None] * len(group)

    async def _add_group(self, group: list[StoredMessage]) -> Sequence[None]:
        await insert_new(self._messages, [to_document(message) for message in group])
        return [None] * len(group)

    async def _remember_group(self, group: list[Outcome]) -> Sequence[None]:
        """Add exchanges to their conversations' last ones; one that is there is not added again."""
        await self._conversations.bulk_write([_remembered(one) for one in group], ordered=False)
        return [None] * len(group)


def _remembered(outcome: Outcome) -> UpdateOne:
    """Return what an outcome changes in its conversation."""
    active = {"$max": {"idle_since": outcome.at}}
    if isinstance(outcome, MessageFailed) or not outcome.message:
        return UpdateOne({"_id": outcome.conversation_id}, active)
    return UpdateOne(
        {"_id": outcome.conversation_id, "recent.id": {"$ne": outcome.message_id}},
        {"$push": {"recent": _exchange(outcome)}, **active},
    )


def question_id(message_id: str) -> str:
    """The id of the question whose answer has this id."""
    return f"{message_id}q"


def question_order(message_id: str) -> str:
    """Where the question of an answer stands in its conversation."""
    return f"{message_id}.0"


def _ending(outcome: Outcome) -> StoredMessage:
    common: dict[str, Any] = {
        "id": outcome.message_id,
        "order": f"{outcome.message_id}.1",
        "conversation_id": outcome.conversation_id,
        "agent_id": outcome.agent_id,
        "role": "assistant",
        "at": outcome.at,
    }
    match outcome:
        case MessageSent():
            return StoredMessage(
                content=outcome.message,
                sources=outcome.sources,
                confidence=outcome.confidence,
                model=outcome.model,
                credits=outcome.credits,
                finish_reason=outcome.finish_reason,
                suggestions=outcome.suggestions,
                status="cancelled" if outcome.finish_reason == CANCELLED else "done",
                **common,
            )
        case MessageFailed():
            return StoredMessage(
                content=outcome.text,
                status="failed",
                error_code=outcome.code,
                error_message=outcome.message,
                **common,
            )


def _outcome(message: StoredMessage) -> Outcome:
    """Return the outcome that a message was stored for, as far as it was stored."""
    common: dict[str, Any] = {
        "event_id": outcome_id(message.id),
        "account_id": "",
        "agent_id": message.agent_id,
        "at": message.at,
        "message_id": message.id,
        "conversation_id": message.conversation_id,
    }
    if message.status == "failed":
        return MessageFailed(
            code=message.error_code,
            message=message.error_message,
            text=message.content,
            **common,
        )
    return MessageSent(
        message=message.content,
        model=message.model,
        credits=message.credits,
        confidence=message.confidence,
        sources=message.sources,
        finish_reason=message.finish_reason,
        suggestions=message.suggestions,
        **common,
    )


def _exchange(sent: MessageSent) -> dict[str, Any]:
    said = Exchange(question=sent.question, answer=sent.message, answered=sent.answered)
    # Bounded: there are many of them in a document, and a document of Mongo's has 16 MB at most.
    exchange = {"id": sent.message_id, **msgspec.structs.asdict(shortened(said))}
    return {"$each": [exchange], "$sort": {"id": 1}, "$slice": -RECENT_EXCHANGES}
