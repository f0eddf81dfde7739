"""Conversations end when nothing is said any more, each once."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

from libs.bus.bus import Bus
from libs.bus.queues import Delivered, consume
from libs.contracts.events import ConversationEnded, MessageFailed, MessageSent, outcome_id
from libs.contracts.queues import CONVERSATION_ENDED
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.api.conversations.idle import IdleConversations
from services.api.store.conversations import (
    Conversation,
    Conversations,
    StoredMessage,
    question_id,
    question_order,
)
from tests.waiting import eventually

HOUR = timedelta(hours=1)
IDLE = 1800.0


async def ask(
    conversations: Conversations, conversation_id: str, at: datetime, *, opens: bool = False
) -> str:
    """Store a question; return its message id."""
    message_id = new_id("msg")
    question = StoredMessage(
        id=question_id(message_id),
        order=question_order(message_id),
        conversation_id=conversation_id,
        agent_id="agent_1",
        role="user",
        content="Hi",
        at=at,
    )
    opened = Conversation(id=conversation_id, account_id="acc_1", agent_id="agent_1", created_at=at)
    await conversations.ask(question, opened if opens else None)
    return message_id


async def answer(
    conversations: Conversations, conversation_id: str, message_id: str, at: datetime
) -> None:
    """Store an answer."""
    await conversations.record(
        MessageSent(
            message=" Hello!",
            model="extractive",
            credits=1,
            confidence=0.9,
            sources=(),
            finish_reason="stop",
            **about(conversation_id, message_id, at),
        )
    )


def about(conversation_id: str, message_id: str, at: datetime) -> dict[str, Any]:
    """What outcomes have in common."""
    return {
        "event_id": outcome_id(message_id),
        "account_id": "acc_1",
        "agent_id": "agent_1",
        "at": at,
        "message_id": message_id,
        "conversation_id": conversation_id,
    }


class Ended:
    """The ends that were told, as they came."""

    def __init__(self, bus: Bus) -> None:
        self.events: list[ConversationEnded] = []
        consume(bus, CONVERSATION_ENDED, self._came, by="test", slots=1)

    async def _came(self, delivered: Delivered[ConversationEnded]) -> None:
        self.events.append(delivered.message)

    async def wait_for(self, *conversation_ids: str) -> list[ConversationEnded]:
        """Wait for the ends of exactly these."""

        async def as_expected() -> bool:
            return sorted(one.conversation_id for one in self.events) == sorted(conversation_ids)

        await eventually(as_expected)
        return self.events


async def test_only_idle_conversations_end_and_each_once(bus: Bus, database: Database) -> None:
    """Not one whose last question is new, nor one that ended; replicas sweep at the same time."""
    ended = Ended(bus)
    await bus.start()
    conversations = Conversations(database)
    await conversations.create_indexes()
    sweepers = [IdleConversations(bus, conversations, timeout=IDLE) for _ in range(3)]
    moment = now()
    for name in ("idle", "active", "asked", "failed"):
        message_id = await ask(conversations, name, moment - 2 * HOUR, opens=True)
        await answer(conversations, name, message_id, moment - 2 * HOUR)
    await answer(conversations, "active", await ask(conversations, "active", moment), moment)
    await ask(conversations, "asked", moment)
    failed_id = await ask(conversations, "failed", moment - HOUR)
    failure = about("failed", failed_id, moment - HOUR)
    await conversations.record(MessageFailed(code="timeout", message="late", **failure))

    for _ in range(3):
        await asyncio.gather(*(sweeper.sweep() for sweeper in sweepers))
    [first, second] = sorted(
        await ended.wait_for("idle", "failed"), key=lambda one: one.conversation_id
    )
    assert (first.last_message_at, second.last_message_at) == (moment - HOUR, moment - 2 * HOUR)
    assert (second.account_id, second.agent_id) == ("acc_1", "agent_1")


async def test_a_conversation_that_is_taken_up_again_ends_again(
    bus: Bus, database: Database
) -> None:
    """With another event, after its new last message."""
    ended = Ended(bus)
    await bus.start()
    conversations = Conversations(database)
    sweeper = IdleConversations(bus, conversations, timeout=IDLE)
    moment = now()
    await ask(conversations, "conv", moment - 3 * HOUR, opens=True)
    await sweeper.sweep()
    await ended.wait_for("conv")
    message_id = await ask(conversations, "conv", moment - 2 * HOUR)
    await answer(conversations, "conv", message_id, moment - 2 * HOUR)
    await sweeper.sweep()
    first, second = await ended.wait_for("conv", "conv")
    assert first.event_id != second.event_id


async def test_a_sweep_that_died_in_the_middle_is_made_up_for(bus: Bus, database: Database) -> None:
    """Told but not noted, as after a kill -9: the next sweep notes it, and it is told once."""
    ended = Ended(bus)
    await bus.start()
    conversations = Conversations(database)
    sweeper = IdleConversations(bus, conversations, timeout=IDLE)
    opened_at = now() - HOUR
    await ask(conversations, "conv", opened_at, opens=True)
    await sweeper.sweep()
    await conversations.active("conv", opened_at)
    await sweeper.sweep()
    assert await sweeper.sweep() == 0
    await ask(conversations, "last", opened_at, opens=True)
    await sweeper.sweep()
    await ended.wait_for("conv", "last")
