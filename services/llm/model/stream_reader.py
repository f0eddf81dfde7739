"""Reads the answer of an OpenAI-compatible server: bytes in, text out. No I/O.

It never loses text that it has: what stands before a bad line is handed out first. Complete is what
the server calls complete: a finish_reason or [DONE], whatever comes after it.
"""

import re

from services.llm.failures import Failed
from services.llm.interface import Ending
from services.llm.model import chunks
from services.llm.model.chunks import StreamChunk, UnreadableChunk
from services.llm.model.event_stream import MAX_LINE, Lines, field_of
from services.llm.model.finish import meaning_of, name_of
from services.llm.model.upstream_errors import ServerError, error_in, error_of_body, failure_of

MAX_PARTS = 1000
"""Lines of data in one event after which a stream is given up."""
MAX_BODY = 4_000_000
"""Bytes of a response that is no event stream; more of it is not an answer."""
MAX_WORD = 1000
_DONE = frozenset({b"[done]", b"done", b"<done>", b"[end]"})
_ENDS = _DONE | {b"end", b"complete", b"completed"}
"""Events by which some servers say that nothing follows."""
_TROUBLE = re.compile(
    rb"error|exception|failed|failure|time-?d? ?out|denied|unavailable|overload|too many|exceeded",
    re.IGNORECASE,
)
_HALF = re.compile("[\ud800-\udfff]")


class StreamReader:
    """The state of one answer. `failure` is why nothing more comes of it, once it has failed.

    `complete` once the server said that nothing follows, `finished` once it said why it ended.
    """

    def __init__(self) -> None:
        self.complete = False
        self.finished = False
        self.spoken = 0  # chunks with text
        self.failure: Failed | None = None
        self._lines = Lines()
        self._event = b""
        self._parts: list[bytes] = []  # data that is no JSON yet
        self._parts_size = 0
        self._body: list[bytes] = []  # lines that are no event stream
        self._body_size = 0
        self._streams = False
        self._by_delta = False
        self._half = ""  # of a character that is cut between two chunks
        self._length = False
        self._usage: object = None

    def feed(self, data: bytes) -> str:
        """Return the text that is in the next bytes, possibly none. Look at `failure` after it."""
        return self._read(data, last=False)

    def close(self) -> str:
        """Return the text that is left when the response has ended."""
        text = self._read(b"", last=True)
        if not self._streams and self.failure is None:
            text += self._read_body()
        return text

    def rest(self) -> str:
        """Return what stands for a character of which only half came."""
        half, self._half = self._half, ""
        return "\ufffd" if half else ""

    def broke(self, failure: Failed) -> None:
        """Note that the connection broke; that makes nothing of what is complete."""
        if not self.complete:
            self._fail(failure)

    def ending(self) -> Ending:
        """Return how the answer ended. Raises Failed when it did not, or badly."""
        if self.failure is not None:
            raise self.failure
        if not (self.finished or self.complete):
            raise Failed("upstream_error", "the stream broke off")
        return Ending(
            finish_reason="length" if self._length else "stop",
            prompt_tokens=chunks.tokens(self._usage, "prompt_tokens"),
            completion_tokens=chunks.tokens(self._usage, "completion_tokens"),
        )

    def _read(self, data: bytes, *, last: bool) -> str:
        texts: list[str] = []
        try:
            for line in self._lines.flush() if last else self._lines.feed(data):
                if self.complete or self.failure:
                    break
                if line.startswith(b"data:"):
                    self._data(line[5:].strip(), texts)
                else:
                    self._other(line, texts)
            if last:
                self._dispatch(texts)
        except Failed as failure:
            self._fail(failure)
        if self._lines.endless:
            self._fail(Failed("upstream_error", "endless line"))
        return "".join(texts)

    def _fail(self, failure: Failed) -> None:
        if not self.finished:  # what is complete stays so
            self.failure = self.failure or failure

    def _data(self, payload: bytes, texts: list[str]) -> None:
        self._streams = True
        if self._parts and not chunks.is_object(payload) and payload.lower() not in _DONE:
            self._keep(payload)
            return
        if self._parts:
            self._dispatch(texts)
        try:
            self._take(chunks.read(payload), payload, texts)
        except UnreadableChunk:
            if payload.lower() in _DONE:
                self.complete = True
            else:
                self._keep(payload)

    def _keep(self, payload: bytes) -> None:
        if not payload:
            return
        self._parts.append(payload)
        self._parts_size += len(payload)
        if len(self._parts) > MAX_PARTS or self._parts_size > MAX_LINE:
            raise Failed("upstream_error", "endless event")

    def _dispatch(self, texts: list[str]) -> None:
        """End an event: its lines of data that are no JSON by themselves may be it together."""
        payload, self._parts, self._parts_size = b"\n".join(self._parts), [], 0
        event, self._event = self._event, b""
        if payload:
            try:
                self._take(chunks.read(payload), payload, texts, event)
            except UnreadableChunk:
                self._unreadable(payload, event)
        elif event in _ENDS:
            self.complete = True
        elif event == b"error":
            self._fail(failure_of(ServerError()))

    def _unreadable(self, payload: bytes, event: bytes) -> None:
        if event == b"error":
            self._fail(failure_of(error_of_body(0, payload)))
        elif payload[:1] in (b"{", b"[") and event in (b"", b"message"):
            self._fail(Failed("upstream_error", "a chunk can't be read"))
        elif _TROUBLE.search(payload[:200]):
            self._fail(failure_of(ServerError(message=payload[:200].decode(errors="replace"))))

    def _other(self, line: bytes, texts: list[str]) -> None:
        """Take a line that does not begin with `data:`."""
        if not line.strip():
            self._dispatch(texts)
            return
        name, value = field_of(line)
        if name == b"data":
            self._data(value, texts)
        elif name == b"event":
            self._dispatch(texts)
            self._streams = True
            self._event = value.lower()
        elif name == b"error" and not line.startswith(b"{"):
            self._streams = True
            self._fail(failure_of(error_of_body(0, value)))
        elif line.strip().lower() in _DONE:
            self.complete = True
        elif name in (b"", b"id", b"retry") and self._streams:
            return
        elif self._streams:
            self._bare(line.strip(), texts)
        else:
            self._keep_body(line)

    def _bare(self, line: bytes, texts: list[str]) -> None:
        """Take a line within a stream that is no field: JSON, as some proxies add it."""
        if line.startswith(b"{"):
            try:
                self._take(chunks.read(line), line, texts)
            except UnreadableChunk:
                self._fail(Failed("upstream_error", "a line can't be read"))

    def _keep_body(self, line: bytes) -> None:
        self._body.append(line)
        self._body_size += len(line)
        if self._body_size > MAX_BODY:
            raise Failed("upstream_error", "no event stream, and endless")

    def _read_body(self) -> str:
        """Read a response that was no event stream: a whole completion, or a chunk a line."""
        lines, self._body = [line for line in self._body if field_of(line)[0]], []
        if not lines:
            self._fail(Failed("upstream_error", "the response is empty"))
            return ""
        texts: list[str] = []
        try:
            self._take(chunks.read(b"\n".join(lines)), b"", texts)
            self.complete = bool(texts)  # it came to its end
        except UnreadableChunk:
            self._read_lines(lines, texts)
        if not (self.finished or self.complete):
            self._fail(Failed("upstream_error", "the response is no completion"))
        return "".join(texts)

    def _read_lines(self, lines: list[bytes], texts: list[str]) -> None:
        try:
            for line in lines:
                self._take(chunks.read(line.strip()), line, texts)
        except UnreadableChunk:
            self._fail(Failed("model_unavailable", "the server answers with a page, not as an API"))

    def _take(self, chunk: object, payload: bytes, texts: list[str], event: bytes = b"") -> None:
        """Take the JSON of an event."""
        if not isinstance(chunk, StreamChunk):
            self._take_word(chunk, event or self._event)
            return
        if text := self._text_of(chunk):
            texts.append(text)
            self.spoken += 1
        if chunk.usage:
            self._usage = chunk.usage
        if self.finished and not chunk.text:
            return
        if chunk.value is not None:
            self._look_for_error(chunk, payload, event or self._event)
        if chunk.finish or chunk.refused:
            self._finish(chunk)

    def _take_word(self, word: object, event: bytes) -> None:
        if event == b"error":
            self._fail(failure_of(ServerError(message=str(word)[:MAX_WORD])))
        elif isinstance(word, str) and word[:MAX_WORD].strip().lower() in ("[done]", "done"):
            self.complete = True

    def _text_of(self, chunk: StreamChunk) -> str:
        text = chunk.text
        if text:
            self._by_delta = True
        elif chunk.whole and not self._by_delta:
            text = chunk.whole
        if self._half or (chunk.value is not None and _HALF.search(text)):
            text, self._half = _mended(self._half + text)
        return text

    def _look_for_error(self, chunk: StreamChunk, payload: bytes, event: bytes) -> None:
        error = error_in(chunk.value)
        if error is None and event == b"error" and not chunk.text:
            error = error_of_body(0, payload)
        if error is not None:
            self._fail(failure_of(error))

    def _finish(self, chunk: StreamChunk) -> None:
        meaning = meaning_of(chunk.finish)
        if chunk.refused:
            self._fail(Failed("upstream_refused", "refusal"))
        elif meaning == "refused":
            self._fail(Failed("upstream_refused", f"finished by {name_of(str(chunk.finish))}"))
        elif meaning == "failed":
            self._fail(Failed("upstream_error", f"finished by {name_of(str(chunk.finish))}"))
        elif meaning is not None and self.failure is None:
            self.finished = True
            self._length = meaning == "length"


def _mended(text: str) -> tuple[str, str]:
    """Join the halves of characters; return the text and a first half at its end, if any."""
    half = ""
    if "\ud800" <= text[-1:] <= "\udbff":
        text, half = text[:-1], text[-1]
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace"), half
