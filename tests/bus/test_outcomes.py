"""A message gets one end, whatever the event log remembers."""

from datetime import UTC, datetime

from libs.bus.bus import Bus
from libs.bus.outcomes import settle
from libs.contracts import subjects
from libs.contracts.events import MessageFailed, MessageSent, outcome_id
from libs.contracts.queues import MESSAGE_SENT
from tests.contracts.samples import ABOUT

COMMON = ABOUT | {"event_id": outcome_id("msg_1"), "message_id": "msg_1"}
FAILED = MessageFailed(conversation_id="conv_1", code="timeout", message="Too late.", **COMMON)
SENT = MessageSent(
    conversation_id="conv_1",
    message="We are open.",
    model="extractive",
    credits=1,
    confidence=0.9,
    sources=(),
    finish_reason="stop",
    **COMMON,
)


async def on_the_log(bus: Bus) -> int:
    """How many events there are."""
    return await bus.kept(subjects.EVENTS)


async def test_a_message_without_an_outcome_gets_this_one(bus: Bus) -> None:
    """Once, however often it is tried."""
    assert await settle(bus, FAILED) == FAILED
    later = MessageFailed(
        conversation_id="conv_1",
        code="later",
        message="",
        **COMMON | {"at": datetime(2030, 1, 1, tzinfo=UTC)},
    )
    assert await settle(bus, later) == FAILED
    assert await on_the_log(bus) == 1


async def test_an_outcome_that_is_there_stays(bus: Bus) -> None:
    """The log takes the first one."""
    await bus.emit(SENT)
    assert await settle(bus, FAILED) == SENT
    assert await on_the_log(bus) == 1


async def test_an_outcome_that_the_window_has_forgotten_stays_as_well(bus: Bus) -> None:
    """Whoever was away for longer than the log refuses a second one finds the first."""
    subject = MESSAGE_SENT.at(SENT.message_id)
    await bus.publish(subject, SENT, "as good as forgotten")
    assert await settle(bus, FAILED) == SENT
    assert await on_the_log(bus) == 1


async def test_an_outcome_that_only_the_window_remembers_is_replaced(bus: Bus) -> None:
    """It is on the log no more, and would be refused as a duplicate for 45 minutes."""
    await bus.emit(SENT)
    await bus.jetstream.purge_stream(subjects.EVENTS.name)
    assert not await bus.emit(FAILED)
    assert await settle(bus, FAILED) == FAILED
    assert await bus.outcome("msg_1") == FAILED
    assert await settle(bus, SENT) == FAILED
    assert await on_the_log(bus) == 1


async def test_an_outcome_that_nobody_can_read_is_none(bus: Bus) -> None:
    """Such as one of a release that was taken back: the message gets an end that all can read."""
    headers = {"Nats-Msg-Id": FAILED.event_id}
    subject = MESSAGE_SENT.at("msg_1")
    await bus.jetstream.publish(subject, b'{"type":"message.sent.v99"}', headers=headers)
    assert await bus.outcome("msg_1") is None
    assert await settle(bus, FAILED) == FAILED
    assert await bus.outcome("msg_1") == FAILED
