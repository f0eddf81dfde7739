"""What a client has been told of one answer, and what to tell next. No I/O.

Frames come in from the worker; client events come out. A frame of an earlier attempt is void once a
later one has spoken: a worker took over. As long as the new text repeats what the client already
has, the client is told nothing; when it differs, it gets `reset` and the text anew. Event ids are
`attempt.seq` of the frame, so every api process gives the same event the same id.
"""

from dataclasses import dataclass

from libs.contracts.chat import AnyFrame, DoneFrame, ErrorFrame, SourcesFrame, SourceUsed, TextFrame
from libs.contracts.events import MessageFailed, MessageSent, Outcome


@dataclass(frozen=True)
class Sources:
    """What the answer is grounded in."""

    id: str
    sources: tuple[SourceUsed, ...]
    confidence: float


@dataclass(frozen=True)
class Text:
    """The next piece of the text."""

    id: str
    text: str


@dataclass(frozen=True)
class Reset:
    """Forget the text so far."""

    id: str


@dataclass(frozen=True)
class Finished:
    """The answer is complete."""

    id: str
    model: str
    credits: int
    finish_reason: str


@dataclass(frozen=True)
class Failed:
    """There is no answer."""

    id: str
    code: str
    message: str


ClientEvent = Sources | Text | Reset | Finished | Failed


class MissedFrames(Exception):
    """A frame came whose predecessor did not: read the answer back from its stream."""


class Answer:
    """The state of one answer as its client sees it."""

    def __init__(self) -> None:
        self.sources: tuple[SourceUsed, ...] = ()
        self.confidence = 0.0
        self.end: Finished | Failed | None = None
        self._told = ""  # the text that the client has
        self._text = ""  # the text of the current attempt, equal to it unless catching up
        self._attempt = 0
        self._next_seq = 0
        self._sources_told = False

    @property
    def text(self) -> str:
        """The text that the client was left with."""
        return self._told

    def take(self, frame: AnyFrame) -> list[ClientEvent]:
        """Take the next frame. Raises MissedFrames at a gap; frames seen before are ignored."""
        if self.end is not None or frame.attempt < self._attempt:
            return []
        if frame.attempt > self._attempt:
            if frame.seq > 0:
                raise MissedFrames
            self._attempt, self._next_seq, self._text = frame.attempt, 0, ""
        if frame.seq > self._next_seq:
            raise MissedFrames
        if frame.seq < self._next_seq:
            return []
        self._next_seq += 1
        return self._tell(frame, f"{frame.attempt}.{frame.seq}")

    def conclude(self, outcome: Outcome) -> list[ClientEvent]:
        """Take the outcome from the event log instead of frames that never came."""
        if self.end is not None:
            return []
        event_id = f"{self._attempt}.{self._next_seq}"
        match outcome:
            case MessageSent():
                events = self._tell_sources(event_id, outcome.sources, outcome.confidence)
                self._text = outcome.message
                events += self._catch_up(event_id)
                self.end = Finished(event_id, outcome.model, outcome.credits, outcome.finish_reason)
                return [*events, self.end]
            case MessageFailed():
                self.end = Failed(event_id, outcome.code, outcome.message)
                return [self.end]

    def _tell(self, frame: AnyFrame, event_id: str) -> list[ClientEvent]:
        match frame:
            case SourcesFrame():
                return self._tell_sources(event_id, frame.sources, frame.confidence)
            case TextFrame():
                self._text += frame.text
                if self._told.startswith(self._text):
                    return []  # a new attempt repeats what the client has
                return self._catch_up(event_id)
            case DoneFrame():
                events = self._catch_up(event_id)
                self.end = Finished(event_id, frame.model, frame.credits, frame.finish_reason)
                return [*events, self.end]
            case ErrorFrame():
                self.end = Failed(event_id, frame.code, frame.message)
                return [self.end]

    def _tell_sources(
        self, event_id: str, sources: tuple[SourceUsed, ...], confidence: float
    ) -> list[ClientEvent]:
        if self._sources_told:
            return []
        self._sources_told = True
        self.sources, self.confidence = sources, confidence
        return [Sources(event_id, sources, confidence)]

    def _catch_up(self, event_id: str) -> list[ClientEvent]:
        """Bring the client from what it has to the current attempt's text."""
        told, self._told = self._told, self._text
        if told == self._text:
            return []
        if self._text.startswith(told):
            return [Text(event_id, self._text[len(told) :])]
        return [Reset(f"{event_id}r"), *([Text(event_id, self._text)] if self._text else [])]
