"""From the JSON of a chunk to what matters of it. Pure.

msgspec decodes what servers usually send, and only the fields that matter. Everything else, odd but
understandable, takes the slow way through `json`, which forgives what msgspec does not.
"""

import json
from dataclasses import dataclass
from typing import Any

import msgspec

MOST_TOKENS = 10**12
"""A count beyond that is none."""


class _Delta(msgspec.Struct):
    content: str | None = None
    refusal: str | None = None


class _Choice(msgspec.Struct):
    delta: _Delta | None = None
    finish_reason: str | None = None
    index: int | None = None
    text: str | None = None
    message: Any = None


class _Chunk(msgspec.Struct):
    choices: list[_Choice]
    usage: Any = None
    error: Any = None


_decoder = msgspec.json.Decoder(_Chunk)


@dataclass(slots=True)
class StreamChunk:
    """What a chunk says. `whole` is the text of a message that is complete in itself.

    `value` is all of it where something about it is not as usual.
    """

    text: str = ""
    finish: Any = None
    usage: Any = None
    refused: bool = False
    whole: str = ""
    value: dict[str, Any] | None = None


class UnreadableChunk(Exception):
    """It is no JSON."""


def read(payload: bytes) -> StreamChunk | Any:
    """Return the chunk, or what the JSON is when it is no object. Raises Unreadable."""
    try:
        chunk = _decoder.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return _read_leniently(payload)
    if chunk.error is not None or len(chunk.choices) != 1:
        return _read_leniently(payload)
    choice = chunk.choices[0]
    if choice.message is not None or choice.index or choice.text is not None:
        return _read_leniently(payload)
    if (delta := choice.delta) is None:
        return StreamChunk("", choice.finish_reason, chunk.usage)
    return StreamChunk(delta.content or "", choice.finish_reason, chunk.usage, bool(delta.refusal))


def is_object(payload: bytes) -> bool:
    """Tell whether a line of data is an event by itself, not a part of one."""
    if not (payload.startswith(b"{") and payload.endswith(b"}")):
        return False
    return b'"choices"' in payload or b'"error"' in payload


def tokens(usage: Any, name: str) -> int:
    """Return a count of a usage, whatever its form; 0 when there is none."""
    count = usage.get(name) if isinstance(usage, dict) else 0
    if isinstance(count, str):
        count = int(count) if count.isascii() and count.isdigit() and len(count) < 13 else 0
    if isinstance(count, bool) or not isinstance(count, int | float):
        return 0
    return int(count) if 0 <= count <= MOST_TOKENS else 0


def _read_leniently(payload: bytes) -> StreamChunk | Any:
    try:
        value = json.loads(payload.decode(errors="replace"), strict=False, parse_int=_integer)
    except (ValueError, RecursionError):
        raise UnreadableChunk from None
    if not isinstance(value, dict):
        return value
    chunk = StreamChunk(usage=value.get("usage"), value=value)
    if (choice := _ours(value.get("choices"))) is not None:
        delta = choice.get("delta")
        message = choice.get("message")
        if delta is None and isinstance(choice.get("text"), str):
            delta = choice["text"]
        refusal = delta.get("refusal") if isinstance(delta, dict) else None
        if isinstance(message, dict):
            refusal = refusal or message.get("refusal")
        chunk.text = _text(delta)
        chunk.whole = "" if chunk.text else _text(message)
        chunk.finish = choice.get("finish_reason")
        chunk.refused = bool(refusal)
    return chunk


def _integer(digits: str) -> int:
    return int(digits) if len(digits) < 20 else -1


def _ours(choices: Any) -> dict[str, Any] | None:
    """Return the choice that is the answer: the one with the index 0, or none."""
    if isinstance(choices, dict):
        choices = [choices] if {"delta", "message", "text"} & set(choices) else choices.values()
    if not isinstance(choices, list | type({}.values())):
        return None
    for choice in choices:
        if isinstance(choice, dict) and choice.get("index") in (None, 0, "0", ""):
            return choice
    return None


def _text(content: Any) -> str:
    """Return the text of a delta, a message or its content: strings, and parts that are text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(map(_text, content))
    if not isinstance(content, dict):
        return ""
    if content.get("type") not in (None, "text", "output_text"):
        return ""  # a part that is a thought, a reference, a picture
    if content.get("thought") is True:
        return ""
    for name in ("content", "text", "value"):
        if content.get(name) is not None:
            return _text(content[name])
    return ""
