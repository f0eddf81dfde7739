"""Messages whose outcome never reached api have their end all the same."""

from datetime import timedelta

from libs.bus.bus import Bus
from libs.contracts import subjects
from libs.contracts.events import MessageFailed, MessageSent, Outcome, outcome_id
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.api.conversations.unanswered import Unanswered
from services.api.store.conversations import (
    Conversation,
    Conversations,
    StoredMessage,
    question_id,
    question_order,
)
from services.api.store.questions import Questions
from tests.contracts.samples import ABOUT

LATER = timedelta(minutes=30)


def sweeping(bus: Bus, database: Database, patience: float = -60.0) -> Unanswered:
    """A sweep for which messages are due at once."""
    conversations = Conversations(database)
    questions = Questions(database, conversations)
    return Unanswered(bus, conversations, questions, patience=patience)


async def asked(database: Database) -> str:
    """Store a question; return the id of its answer to come."""
    message_id, conversation_id = new_id("msg"), new_id("conv")
    question = StoredMessage(
        id=question_id(message_id),
        order=question_order(message_id),
        conversation_id=conversation_id,
        agent_id="agent_1",
        role="user",
        content="Open?",
        at=now(),
    )
    opened = Conversation(
        id=conversation_id, account_id="acc_1", agent_id="agent_1", created_at=now()
    )
    await Conversations(database).ask(question, opened)
    return message_id


def sent(message_id: str) -> MessageSent:
    """The answer to it."""
    return MessageSent(
        message="We are open.",
        conversation_id="conv_1",
        model="extractive",
        credits=1,
        confidence=0.9,
        sources=(),
        finish_reason="stop",
        **ABOUT | {"event_id": outcome_id(message_id), "message_id": message_id},
    )


async def stored(database: Database, message_id: str) -> Outcome | None:
    """How it ended, as far as api knows."""
    return await Conversations(database).outcome(message_id)


async def test_an_outcome_that_api_never_heard_of_is_stored(bus: Bus, database: Database) -> None:
    """It is on the log; api's consumer has missed it."""
    message_id = await asked(database)
    await bus.emit(sent(message_id))
    assert await sweeping(bus, database).sweep()
    ended = await stored(database, message_id)
    assert isinstance(ended, MessageSent)
    assert ended.message == "We are open."


async def test_a_message_without_any_outcome_fails_for_everybody(
    bus: Bus, database: Database
) -> None:
    """On the log, so that billing and webhooks learn of it."""
    message_id = await asked(database)
    assert await sweeping(bus, database).sweep()
    assert isinstance(await stored(database, message_id), MessageFailed)
    assert isinstance(await bus.outcome(message_id), MessageFailed)


async def test_an_outcome_that_the_log_has_lost_is_no_reason_to_wait(
    bus: Bus, database: Database
) -> None:
    """The log refuses a second outcome, and has no first one."""
    message_id = await asked(database)
    await bus.emit(sent(message_id))
    await bus.jetstream.purge_stream(subjects.EVENTS.name)
    assert await sweeping(bus, database).sweep()
    assert isinstance(await stored(database, message_id), MessageFailed)


async def test_answered_and_young_messages_are_left_alone(bus: Bus, database: Database) -> None:
    """And each message is looked at once, by whichever process comes first."""
    answered = await asked(database)
    await Conversations(database).record(sent(answered))
    assert await sweeping(bus, database).sweep()
    assert not await sweeping(bus, database).sweep()
    assert await bus.kept(subjects.EVENTS) == 0
    young = await asked(database)
    assert not await sweeping(bus, database, LATER.total_seconds()).sweep()
    assert await stored(database, young) is None


async def test_a_deleted_conversation_gets_no_answer(bus: Bus, database: Database) -> None:
    """Its question was read a moment before."""
    message_id = await asked(database)
    await database["conversations"].delete_many({})
    assert await sweeping(bus, database).sweep()
    assert await stored(database, message_id) is None
