"""The pure rule behind every stream: which frames become which client events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.contracts.chat import SourcesFrame, SourceUsed, TextFrame
from libs.contracts.events import MessageFailed, MessageSent
from libs.contracts.queues import AnyReply
from services.api.chat.transcript import (
    ClientEvent,
    FailedEvent,
    FinishedEvent,
    MissedFrames,
    ResetEvent,
    SourcesEvent,
    TextEvent,
    Transcript,
)
from tests.contracts.samples import ABOUT

SOURCE = SourceUsed(id="src_1", type="qa", title="Hours", relevance=0.9)
FAILED = MessageFailed(
    message_id="msg_1", conversation_id="conv_1", code="timeout", message="late", **ABOUT
)


def attempt(number: int, pieces: list[str]) -> list[AnyReply]:
    """The frames of one attempt."""
    frames: list[AnyReply] = [
        SourcesFrame(attempt=number, seq=0, sources=(SOURCE,), confidence=0.9)
    ]
    frames += [
        TextFrame(attempt=number, seq=seq, text=text) for seq, text in enumerate(pieces, start=1)
    ]
    return frames


def sent(text: str) -> MessageSent:
    """The outcome of a complete answer."""
    return MessageSent(
        message_id="msg_1",
        conversation_id="conv_1",
        message=text,
        model="m",
        credits=1,
        confidence=0.9,
        sources=(SOURCE,),
        finish_reason="stop",
        **ABOUT,
    )


def shown(events: list[ClientEvent]) -> str:
    """The text that a client has that follows the protocol."""
    text = ""
    for event in events:
        match event:
            case TextEvent():
                text += event.text
            case ResetEvent():
                text = ""
    return text


def play(answer: Transcript, frames: list[AnyReply]) -> list[ClientEvent]:
    """Feed frames and collect the events."""
    return [event for frame in frames for event in answer.take(frame)]


pieces = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=6)


@given(killed=st.lists(pieces, max_size=3), final=pieces, logged_by=st.integers(0, 3))
def test_client_is_left_with_the_text_on_the_log(
    killed: list[list[str]], final: list[str], logged_by: int
) -> None:
    """However often workers die, whichever attempt was logged: the client ends with its text."""
    attempts = [*killed, final]
    logged = "".join(attempts[min(logged_by, len(attempts) - 1)])
    answer = Transcript()
    replies: list[AnyReply] = []
    for number, texts in enumerate(attempts, start=1):
        replies += attempt(number, texts)
    events = play(answer, [*replies, sent(logged)])
    assert shown(events) == logged
    assert sum(isinstance(event, SourcesEvent) for event in events) == 1
    assert [type(event) for event in events].count(FinishedEvent) == 1
    assert isinstance(events[-1], FinishedEvent)


@given(texts=pieces, at=st.integers(0, 6))
def test_same_text_again_is_not_noticed(texts: list[str], at: int) -> None:
    """A worker that takes over and says the same causes no reset and no repetition."""
    answer = Transcript()
    events = play(answer, attempt(1, texts[:at]))
    events += play(answer, [*attempt(2, texts), sent("".join(texts))])
    assert not any(isinstance(event, ResetEvent) for event in events)
    assert "".join(event.text for event in events if isinstance(event, TextEvent)) == "".join(texts)


def test_other_text_resets() -> None:
    """A worker that takes over and says something else makes the client start anew."""
    answer = Transcript()
    play(answer, attempt(1, ["We are ", "open"]))
    events = play(answer, [*attempt(2, ["We were ", "open"]), sent("We were open")])
    assert [type(event) for event in events] == [ResetEvent, TextEvent, TextEvent, FinishedEvent]
    assert shown(events) == "We were open"


def test_frames_of_a_void_attempt_are_ignored() -> None:
    """A worker that was thought dead may go on talking; nobody listens."""
    answer = Transcript()
    old = attempt(1, ["a", "b", "c"])
    play(answer, old[:2])
    play(answer, attempt(2, ["x"]))
    assert play(answer, old[2:]) == []


def test_a_gap_is_reported_and_filled_by_reading_back() -> None:
    """A lost frame is missed at once; reading all again repairs it without repetition."""
    answer = Transcript()
    replies = attempt(1, ["a", "b", "c"])
    play(answer, replies[:2])
    with pytest.raises(MissedFrames):
        answer.take(replies[3])
    assert shown(play(answer, replies)) == "bc"


def test_a_missed_start_of_an_attempt_is_a_gap() -> None:
    """The first frame of a new attempt must not be skipped."""
    with pytest.raises(MissedFrames):
        Transcript().take(TextFrame(attempt=1, seq=1, text="x"))


def test_nothing_follows_the_end() -> None:
    """After done or error nothing is told."""
    answer = Transcript()
    play(answer, [*attempt(1, ["a"]), sent("a")])
    assert play(answer, [*attempt(2, ["b"]), sent("b")]) == []
    failed = Transcript()
    assert play(failed, [FAILED]) == [FailedEvent("end", "timeout", "late")]
    assert play(failed, attempt(2, ["b"])) == []


def test_the_outcome_alone_is_a_whole_answer() -> None:
    """When the frames are gone, the event log still has all that a client needs."""
    events = play(Transcript(), [sent("We are open.")])
    assert [type(event) for event in events] == [SourcesEvent, TextEvent, FinishedEvent]
    assert shown(events) == "We are open."


def test_event_ids_are_unique_and_the_same_for_every_reader() -> None:
    """Two api processes that read the same replies number the events alike."""
    replies = [*attempt(1, ["a"]), *attempt(2, ["b", "c"]), sent("bcd")]
    first, second = play(Transcript(), replies), play(Transcript(), replies)
    assert [event.id for event in first] == [event.id for event in second]
    assert len({event.id for event in first}) == len(first)


def test_text_that_begins_anew_takes_back_what_was_said() -> None:
    """A thought whose opening tag nobody saw: it goes at once, not only at the end."""
    answer = Transcript()
    frames = attempt(1, ["secret", "", "We", " open."])
    frames[2] = TextFrame(attempt=1, seq=2, text="", anew=True)
    events = play(answer, frames)
    assert [type(event) for event in events] == [
        SourcesEvent,
        TextEvent,
        ResetEvent,
        TextEvent,
        TextEvent,
    ]
    assert shown(events) == answer.text == "We open."


def test_failure_leaves_the_client_with_the_text_that_is_stored() -> None:
    """With what there was of the answer; with what it has, when nobody knows."""
    for stored, left in (("Hel", "Hel"), ("Hello you", "Hello you"), ("", "Hello")):
        answer = Transcript()
        events = play(
            answer, [*attempt(1, ["Hello"]), replace(FAILED, text=stored, retry_after=9.0)]
        )
        assert shown(events) == left
        assert answer.end == FailedEvent("end", "timeout", "late", 9.0)
