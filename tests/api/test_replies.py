"""From the bus to an open answer, also when messages were lost on the way."""

import asyncio

import pytest
from nats.aio.msg import Msg

from libs.bus.bus import Bus
from libs.contracts import subjects
from libs.contracts.chat import SourcesFrame, TextFrame
from libs.contracts.events import MessageSent, outcome_id
from libs.contracts.message import encode
from libs.contracts.queues import CHAT_REPLIES
from libs.runtime.mongo import Database
from services.api.chat.replies import Inbox, Replies
from services.api.chat.transcript import ClientEvent, FinishedEvent, TextEvent, Transcript
from services.api.store.conversations import Conversations
from tests.contracts.samples import ABOUT

SENT = MessageSent(
    message_id="msg_1",
    conversation_id="conv_1",
    question="Open?",
    message="We are open.",
    model="extractive",
    credits=1,
    confidence=0.9,
    sources=(),
    finish_reason="stop",
    **(ABOUT | {"event_id": outcome_id("msg_1")}),
)
FRAMES = (
    SourcesFrame(attempt=1, seq=0, sources=(), confidence=0.9),
    TextFrame(attempt=1, seq=1, text="We are"),
    TextFrame(attempt=1, seq=2, text=" open."),
)


@pytest.fixture
async def replies(bus: Bus, database: Database) -> Replies:
    """An edge that looks for lost replies soon."""
    await bus.start()
    replies = Replies(bus, Conversations(database), silence=0.2, timeout=20)
    await replies.start()
    return replies


async def followed(replies: Replies, *, until_text: str = "") -> list[ClientEvent]:
    """What a client is told of msg_1."""
    return await read(replies, replies.expect("msg_1", "acc_1"), until_text=until_text)


async def read(replies: Replies, inbox: Inbox, *, until_text: str = "") -> list[ClientEvent]:
    """What a client is told of msg_1 from this inbox."""
    events: list[ClientEvent] = []
    following = replies.follow("msg_1", inbox, Transcript())
    while not following.over:
        events += await following.next()
        if until_text and until_text in told(events):
            break
    return events


def told(events: list[ClientEvent]) -> str:
    """The text in the events."""
    return "".join(event.text for event in events if isinstance(event, TextEvent))


async def test_frames_that_were_missed_are_read_back(bus: Bus, replies: Replies) -> None:
    """All was sent before anybody listened: the reply stream still has it."""
    subject = CHAT_REPLIES.at(replies.edge, "msg_1")
    for reply in (*FRAMES, SENT):
        await bus.tell(subject, reply)
    events = await followed(replies)
    assert told(events) == "We are open."
    assert isinstance(events[-1], FinishedEvent)


async def test_a_gap_is_filled_at_once(bus: Bus, replies: Replies) -> None:
    """A frame went to another edge; the next one shows the gap, and the stream fills it."""
    elsewhere = CHAT_REPLIES.at("edge_other", "msg_1")
    here = CHAT_REPLIES.at(replies.edge, "msg_1")
    following = asyncio.create_task(followed(replies, until_text="open."))
    await bus.tell(elsewhere, FRAMES[0])
    await bus.tell(elsewhere, FRAMES[1])
    await bus.tell(here, FRAMES[2])
    assert told(await following) == "We are open."


async def test_what_came_before_a_gap_is_told(bus: Bus, replies: Replies) -> None:
    """Frames that arrive together with one that shows a gap are not dropped with it."""
    inbox = replies.expect("msg_1", "acc_1")
    for frame in (FRAMES[0], FRAMES[1]):
        inbox.put(frame)
    inbox.put(TextFrame(attempt=1, seq=3, text=" Come in."))
    elsewhere = CHAT_REPLIES.at("edge_other", "msg_1").subject
    await bus.jetstream.publish(elsewhere, encode(FRAMES[2]))
    async with asyncio.timeout(5):
        batch = await replies.follow("msg_1", inbox, Transcript()).next()
    assert told(batch) == "We are open."


async def test_what_came_behind_a_gap_is_told(replies: Replies) -> None:
    """The end may have come together with a frame whose predecessors are gone for ever."""
    inbox = replies.expect("msg_1", "acc_1")
    inbox.put(TextFrame(attempt=1, seq=3, text=" Come in."))
    inbox.put(SENT)
    assert told(await replies.follow("msg_1", inbox, Transcript()).next()) == "We are open."


async def test_the_event_log_ends_an_answer_whose_frames_are_gone(
    bus: Bus, replies: Replies, database: Database
) -> None:
    """After a restart of NATS only the log is left; the answer is stored before it is told."""
    await bus.emit(SENT)
    events = await followed(replies)
    assert told(events) == "We are open."
    assert isinstance(events[-1], FinishedEvent)
    assert await Conversations(database).messages("conv_1", 10)


async def test_silence_is_said_each_time_and_what_comes_then_follows(replies: Replies) -> None:
    """A stream makes a comment of it. What was lost is looked for after that, and is not there."""
    inbox = replies.expect("msg_1", "acc_1")
    following = replies.follow("msg_1", inbox, Transcript())
    assert await following.next() == await following.next() == []
    for frame in FRAMES:
        inbox.put(frame)
    assert told(await following.next()) == "We are open."


async def test_what_came_when_time_was_up_is_told(bus: Bus, database: Database) -> None:
    """A client that reads slowly gets what there is, however long that takes it."""
    edge = Replies(bus, Conversations(database), silence=20, timeout=0)
    inbox = edge.expect("msg_1", "acc_1")
    inbox.put(FRAMES[0])
    inbox.put(FRAMES[1])
    following = edge.follow("msg_1", inbox, Transcript())
    assert not following.over
    assert told(await following.next()) == "We are"
    assert following.over


async def test_many_silent_answers_cost_nats_little(bus: Bus, replies: Replies) -> None:
    """Looking for lost replies takes no longer when many others are kept.

    A look through all of them took 30 ms of the NATS server: 1,000 clients that waited in line for
    their answers brought it to a standstill.
    """
    for number in range(2_000):
        subject = CHAT_REPLIES.at(f"edge_{number % 3}", f"msg_{number}").subject
        for _ in range(100):
            await bus.client.publish(subject, encode(FRAMES[1]))
    await bus.client.flush()
    async with asyncio.timeout(10):
        for _ in range(1_000):
            assert await replies.catch_up("msg_waiting", Transcript()) == []


async def test_an_answer_ends_when_its_reply_stream_is_gone(bus: Bus, replies: Replies) -> None:
    """A NATS server that was killed has no memory stream any more: that is no outage to wait for.

    The outcome was announced while this edge was away, as by another one that recorded it.
    """
    await bus.jetstream.delete_stream(subjects.REPLIES.name)
    await bus.emit(SENT)
    answer = Transcript()
    await replies.catch_up("msg_1", answer)
    assert isinstance(answer.end, FinishedEvent)


async def test_the_stored_end_is_enough(replies: Replies, database: Database) -> None:
    """The event log keeps an outcome for days, the conversation for ever."""
    await Conversations(database).record(SENT)
    events = await followed(replies)
    assert told(events) == "We are open."


async def test_a_gap_in_the_stream_hides_no_end(bus: Bus, replies: Replies) -> None:
    """The stream was new when the answer was half told: what it kept begins in the middle."""
    subject = CHAT_REPLIES.at("edge_other", "msg_1").subject
    for reply in (FRAMES[2], SENT):
        await bus.jetstream.publish(subject, encode(reply))
    assert told(await followed(replies)) == "We are open."


async def test_a_gap_in_the_stream_hides_no_outcome(bus: Bus, replies: Replies) -> None:
    """The same, and the end was told to nobody."""
    await bus.jetstream.publish(CHAT_REPLIES.at("edge_other", "msg_1").subject, encode(FRAMES[2]))
    await bus.emit(SENT)
    assert told(await followed(replies)) == "We are open."


async def test_a_frame_that_nobody_can_read_hides_no_end(bus: Bus, replies: Replies) -> None:
    """Such as one of a newer release while an older edge still runs."""
    await bus.jetstream.publish(CHAT_REPLIES.at("edge_other", "msg_1").subject, b'{"type":"new"}')
    await bus.emit(SENT)
    assert told(await followed(replies)) == "We are open."


async def test_a_gap_that_nothing_fills_is_looked_up_now_and_then(
    bus: Bus, replies: Replies
) -> None:
    """Each frame behind it shows the gap again; NATS is not asked for each of them."""
    looks = 0

    async def count(_: Msg) -> None:
        nonlocal looks
        looks += 1

    info = f"$JS.API.STREAM.INFO.{subjects.REPLIES.name}"
    await bus.client.subscribe(info, cb=count)
    inbox = replies.expect("msg_1", "acc_1")
    following = asyncio.create_task(read(replies, inbox))
    for number in range(500):
        inbox.put(TextFrame(attempt=1, seq=number + 5, text="lost"))
        await asyncio.sleep(0)
    inbox.put(SENT)
    assert isinstance((await following)[-1], FinishedEvent)
    assert 1 <= looks <= 20
