"""The pure rule behind every stream: which frames become which client events."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.chat import AnyFrame, DoneFrame, ErrorFrame, SourcesFrame, SourceUsed, TextFrame
from libs.contracts.events import MessageFailed
from services.api.answer import (
    Answer,
    ClientEvent,
    Failed,
    Finished,
    MissedFrames,
    Reset,
    Sources,
    Text,
)
from tests.contracts.samples import ABOUT

SOURCE = SourceUsed(id="src_1", type="qa", title="Hours", relevance=0.9)


def attempt(number: int, pieces: list[str], *, finished: bool = True) -> list[AnyFrame]:
    """The frames of one attempt; one that did not finish was killed."""
    frames: list[AnyFrame] = [
        SourcesFrame(attempt=number, seq=0, sources=(SOURCE,), confidence=0.9)
    ]
    for text in pieces:
        frames.append(TextFrame(attempt=number, seq=len(frames), text=text))
    if finished:
        frames.append(
            DoneFrame(attempt=number, seq=len(frames), model="m", credits=1, finish_reason="stop")
        )
    return frames


def shown(events: list[ClientEvent]) -> str:
    """The text that a client has that follows the protocol."""
    text = ""
    for event in events:
        match event:
            case Text():
                text += event.text
            case Reset():
                text = ""
    return text


def play(answer: Answer, frames: list[AnyFrame]) -> list[ClientEvent]:
    """Feed frames and collect the events."""
    return [event for frame in frames for event in answer.take(frame)]


pieces = st.lists(st.text(alphabet="ab", min_size=1, max_size=3), max_size=6)


@given(killed=st.lists(pieces, max_size=3), final=pieces)
def test_client_is_left_with_the_last_attempt(killed: list[list[str]], final: list[str]) -> None:
    """However often workers die, the client ends with exactly the text that is stored."""
    answer = Answer()
    frames: list[AnyFrame] = []
    for number, texts in enumerate(killed, start=1):
        frames += attempt(number, texts, finished=False)
    frames += attempt(len(killed) + 1, final)
    events = play(answer, frames)
    assert shown(events) == "".join(final) == answer.text
    assert sum(isinstance(event, Sources) for event in events) == 1
    assert [isinstance(event, Finished) for event in events].count(True) == 1
    assert isinstance(events[-1], Finished)


@given(texts=pieces, at=st.integers(0, 6))
def test_same_text_again_is_not_noticed(texts: list[str], at: int) -> None:
    """A worker that takes over and says the same causes no reset and no repetition."""
    answer = Answer()
    events = play(answer, attempt(1, texts[:at], finished=False))
    events += play(answer, attempt(2, texts))
    assert not any(isinstance(event, Reset) for event in events)
    assert "".join(event.text for event in events if isinstance(event, Text)) == "".join(texts)


def test_other_text_resets() -> None:
    """A worker that takes over and says something else makes the client start anew."""
    answer = Answer()
    play(answer, attempt(1, ["We are ", "open"], finished=False))
    events = play(answer, attempt(2, ["We were ", "open"]))
    assert [type(event) for event in events] == [Reset, Text, Text, Finished]
    assert shown(events) == "We were open"


def test_frames_of_a_void_attempt_are_ignored() -> None:
    """A worker that was thought dead may go on talking; nobody listens."""
    answer = Answer()
    old = attempt(1, ["a", "b", "c"])
    play(answer, old[:2])
    play(answer, attempt(2, ["x"], finished=False))
    assert play(answer, old[2:]) == []
    assert answer.end is None


def test_a_gap_is_reported_and_filled_by_reading_back() -> None:
    """A lost frame is missed at once; reading all frames again repairs it without repetition."""
    answer = Answer()
    frames = attempt(1, ["a", "b", "c"])
    play(answer, frames[:2])
    with pytest.raises(MissedFrames):
        answer.take(frames[3])
    events = play(answer, frames)
    assert shown(events) == "bc"
    assert answer.text == "abc"


def test_a_missed_start_of_an_attempt_is_a_gap() -> None:
    """The first frame of a new attempt must not be skipped."""
    with pytest.raises(MissedFrames):
        Answer().take(TextFrame(attempt=1, seq=1, text="x"))


def test_nothing_follows_the_end() -> None:
    """After done or error nothing is told."""
    answer = Answer()
    play(answer, attempt(1, ["a"]))
    assert play(answer, attempt(2, ["b"])) == []
    failed = Answer()
    events = play(failed, [ErrorFrame(attempt=1, seq=0, code="upstream_error", message="no")])
    assert events == [Failed("1.0", "upstream_error", "no")]
    assert play(failed, attempt(2, ["b"])) == []


def test_the_outcome_on_the_log_ends_an_answer_without_frames() -> None:
    """When the frames are gone, the event log still says how it ended."""
    outcome = MessageFailed(
        message_id="m", conversation_id="c", code="timeout", message="late", **ABOUT
    )
    assert Answer().conclude(outcome) == [Failed("0.0", "timeout", "late")]


def test_event_ids_are_the_same_for_every_reader() -> None:
    """Two api processes that read the same frames number the events alike."""
    frames = attempt(1, ["a"], finished=False) + attempt(2, ["b", "c"])
    first, second = play(Answer(), frames), play(Answer(), frames)
    assert [event.id for event in first] == [event.id for event in second]
    assert len({event.id for event in first}) == len(first)
