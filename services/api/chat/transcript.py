"""What a client has been told of one answer, and what to tell next. No I/O.

Replies come in from the bus; client events come out. A frame of an earlier attempt is void once a
later one has spoken: a worker took over. As long as the new text repeats what the client already
has, the client is told nothing; when it differs, it gets `reset` and the text anew. The outcome has
the last word: the client is left with exactly its text. Event ids are `attempt.seq` of the frame,
so every api process gives the same event the same id; what only the outcome brought has an id that
no frame has.
"""

from dataclasses import dataclass

from libs.contracts.chat import SourcesFrame, SourceUsed, TextFrame
from libs.contracts.events import MessageFailed, MessageSent, Outcome
from libs.contracts.queues import AnyReply


@dataclass(frozen=True)
class SourcesEvent:
    """What the answer is grounded in."""

    id: str
    sources: tuple[SourceUsed, ...]
    confidence: float


@dataclass(frozen=True)
class TextEvent:
    """The next piece of the text."""

    id: str
    text: str


@dataclass(frozen=True)
class ResetEvent:
    """Forget the text so far."""

    id: str


@dataclass(frozen=True)
class FinishedEvent:
    """The answer is complete and stored."""

    id: str
    sent: MessageSent


@dataclass(frozen=True)
class FailedEvent:
    """There is no answer, and that is stored."""

    id: str
    code: str
    message: str
    retry_after: float | None = None


ClientEvent = SourcesEvent | TextEvent | ResetEvent | FinishedEvent | FailedEvent

END = "end"
"""The id of the event that ends every answer."""
RESTART = "restart"
"""The id of a reset that begins a resumed answer anew."""


class MissedFrames(Exception):
    """A frame came whose predecessor did not: read the answer back from its stream."""


class Transcript:
    """The state of one answer as its client sees it."""

    def __init__(self) -> None:
        self.end: FinishedEvent | FailedEvent | None = None
        self._told = ""  # the text that the client has
        self._text = ""  # the text of the current attempt, equal to it unless catching up
        self._attempt = 0
        self._next_seq = 0
        self.sources: tuple[SourceUsed, ...] | None = None
        self.confidence = 0.0

    @property
    def text(self) -> str:
        """The text that the client has."""
        return self._told

    def take(self, reply: AnyReply) -> list[ClientEvent]:
        """Take the next reply. Raises MissedFrames at a gap; frames seen before are ignored."""
        if self.end is not None:
            return []
        match reply:
            case MessageSent() | MessageFailed():
                return self._conclude(reply)
            case SourcesFrame() | TextFrame():
                return self._take_frame(reply)

    def _take_frame(self, frame: SourcesFrame | TextFrame) -> list[ClientEvent]:
        if frame.attempt < self._attempt:
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
        event_id = f"{frame.attempt}.{frame.seq}"
        if isinstance(frame, SourcesFrame):
            return self._tell_sources(event_id, frame.sources, frame.confidence)
        self._text = frame.text if frame.anew else self._text + frame.text
        if not frame.anew and self._told.startswith(self._text):
            return []  # a new attempt repeats what the client has
        return self._catch_up(event_id)

    def _conclude(self, outcome: Outcome) -> list[ClientEvent]:
        event_id = f"{self._attempt}.{self._next_seq}-"
        match outcome:
            case MessageSent():
                sources = self._tell_sources(f"{event_id}s", outcome.sources, outcome.confidence)
                self._text = outcome.message
                self.end = FinishedEvent(END, outcome)
                return [*sources, *self._catch_up(event_id), self.end]
            case MessageFailed():
                # Without a text nobody knows what there was: the client keeps what it has.
                self._text = outcome.text or self._told
                told = self._catch_up(event_id)
                self.end = FailedEvent(END, outcome.code, outcome.message, outcome.retry_after)
                return [*told, self.end]

    def _tell_sources(
        self, event_id: str, sources: tuple[SourceUsed, ...], confidence: float
    ) -> list[ClientEvent]:
        if self.sources is not None:
            return []
        self.sources, self.confidence = sources, confidence
        return [SourcesEvent(event_id, sources, confidence)]

    def _catch_up(self, event_id: str) -> list[ClientEvent]:
        """Bring the client from what it has to the current attempt's text."""
        told, self._told = self._told, self._text
        if told == self._text:
            return []
        if self._text.startswith(told):
            return [TextEvent(event_id, self._text[len(told) :])]
        return [
            ResetEvent(f"{event_id}r"),
            *([TextEvent(event_id, self._text)] if self._text else []),
        ]


def after(past: list[ClientEvent], last_event_id: str | None) -> list[ClientEvent]:
    """Return what a client that left after an event has missed of what was told so far.

    An event that can't be found (its frames are gone) leaves it unknown what text the client has,
    so it starts anew.
    """
    if last_event_id is None:
        return past
    for index, event in enumerate(past):
        if event.id == last_event_id:
            return past[index + 1 :]
    return [ResetEvent(RESTART), *past]
