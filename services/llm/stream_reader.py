"""Reads the event stream of an OpenAI-compatible server: bytes in, text out. No I/O.

msgspec decodes only the fields that matter; the client's own chunk objects cost several times
everything else that happens to a token.
"""

from typing import Any

import msgspec

from services.llm.answerer import Ending
from services.llm.failures import Failed

MAX_LINE = 1_000_000
"""Bytes without a line end after which a stream is given up."""


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Usage(msgspec.Struct):
    prompt_tokens: int | None = 0
    completion_tokens: int | None = 0


class _Chunk(msgspec.Struct):
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


class StreamReader:
    """The state of one stream. `complete` once the server said that nothing follows."""

    def __init__(self) -> None:
        self.complete = False
        self._rest = b""
        self._finish_reason: str | None = None
        self._usage = _Usage()

    def feed(self, data: bytes) -> str:
        """Return the text that is in the next bytes; possibly none. Raises Failed."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_LINE:
            raise Failed("upstream_error", "endless line")
        return "".join(self._text(line[5:].strip()) for line in lines if line.startswith(b"data:"))

    def ending(self) -> Ending:
        """Return how the stream ended. Raises Failed when it broke off."""
        if self._finish_reason is None:
            raise Failed("upstream_error", "the stream broke off")
        return Ending(
            finish_reason="length" if self._finish_reason == "length" else "stop",
            prompt_tokens=self._usage.prompt_tokens or 0,
            completion_tokens=self._usage.completion_tokens or 0,
        )

    def _text(self, payload: bytes) -> str:
        if payload == b"[DONE]":
            self.complete = True
            return ""
        try:
            chunk = _decoder.decode(payload)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise Failed("upstream_error", "a chunk can't be read") from error
        if chunk.error:
            raise Failed("upstream_error", "the stream says error")
        self._usage = chunk.usage or self._usage
        return "".join(map(self._choose, chunk.choices or ()))

    def _choose(self, choice: _Choice) -> str:
        delta = choice.delta or _Delta()
        if delta.refusal or choice.finish_reason == "content_filter":
            raise Failed("upstream_refused", choice.finish_reason or "refusal")
        if choice.finish_reason == "error":
            raise Failed("upstream_error", "finished by an error")
        self._finish_reason = choice.finish_reason or self._finish_reason
        return delta.content or ""
