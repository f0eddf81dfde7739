"""What the fake OpenAI server puts on the wire."""

import json
import math
import re
from functools import lru_cache
from typing import Any
from zlib import crc32

from tests.fakes.openai_scripts import Script

SECRET_DETAIL = "upstream-internal-detail"
"""Is in the body of every error, so that a test can assert that nobody passes it on."""


def pieces(script: Script, body: dict[str, Any]) -> tuple[str, ...]:
    """Return the tokens of an answer."""
    if script.refusal:
        return ()
    if script.echo:
        asked = [turn["content"] for turn in body["messages"] if turn["role"] == "user"]
        return tuple(re.findall(r"\s*\S+\s*$|\s*\S+", asked[-1]))
    if script.text is not None:
        return tuple(re.findall(r"\s*\S+\s*$|\s*\S+", script.text))
    return _numbered(script.chunk_text, script.tokens)


@lru_cache(maxsize=64)
def _numbered(chunk_text: str, tokens: int) -> tuple[str, ...]:
    return tuple(chunk_text.replace("{n}", str(n)) for n in range(tokens))


@lru_cache(maxsize=64)
def chunks(model: str, script: Script, pieces: tuple[str, ...]) -> tuple[bytes, ...]:
    """Return one server-sent event a token, ready to be written."""
    if script.refusal:
        return (event(_chunk(model, {"refusal": script.refusal})),)
    return tuple(event(_chunk(model, {"content": piece})) for piece in pieces)


@lru_cache(maxsize=64)
def _finish(model: str, reason: str | None) -> bytes:
    return b"" if reason is None else event(_chunk(model, {}, reason))


def ending(model: str, script: Script, body: dict[str, Any], tokens: int) -> bytes:
    """Return what follows the last token: finish reason, usage if wanted, the end mark.

    Without a finish reason there is no end mark either: the answer just stops.
    """
    ending = _finish(model, script.finish_reason)
    if (body.get("stream_options") or {}).get("include_usage"):
        ending += event(_chunk(model, None) | {"usage": _usage(body, tokens)})
    return ending + (b"data: [DONE]\n\n" if script.finish_reason else b"")


def _chunk(model: str, delta: dict[str, Any] | None, reason: str | None = None) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
    return {
        "id": "chatcmpl-fake",
        "object": "chat.completion.chunk",
        "created": 1_760_000_000,
        "model": model,
        "choices": [] if delta is None else [choice],
        "usage": None,
    }


def completion(model: str, script: Script, pieces: tuple[str, ...]) -> dict[str, Any]:
    """Return the answer of a request that did not ask for a stream."""
    message = {
        "role": "assistant",
        "content": "".join(pieces) or None,
        "refusal": script.refusal or None,
    }
    choice = {"index": 0, "message": message, "finish_reason": script.finish_reason}
    whole = _chunk(model, None) | {"object": "chat.completion", "choices": [choice]}
    return whole | {"usage": _usage({}, len(pieces))}


def _usage(body: dict[str, Any], tokens: int) -> dict[str, int]:
    asked = sum(len(str(turn["content"]).split()) for turn in body.get("messages", ()))
    return {"prompt_tokens": asked, "completion_tokens": tokens, "total_tokens": asked + tokens}


def error(status: int) -> dict[str, Any]:
    """Return an error body in OpenAI's shape."""
    return {"error": {"message": f"{SECRET_DETAIL} {status}", "type": "fake", "code": str(status)}}


def model_entry(name: str) -> dict[str, Any]:
    """Return one entry of the list of models."""
    return {"id": name, "object": "model", "created": 1_760_000_000, "owned_by": "fake"}


@lru_cache(maxsize=4096)
def vector(text: str, dimensions: int) -> tuple[float, ...]:
    """A bag of hashed words of length 1: texts that share words are near each other."""
    vector = [0.0] * dimensions
    for word in re.findall(r"\w+", text.lower()) or [""]:
        hashed = crc32(word.encode())
        vector[hashed % dimensions] += 1.0 if hashed & 0x10000 else -1.0
    length = math.hypot(*vector) or 1.0
    return tuple(value / length for value in vector)


def event(data: dict[str, Any]) -> bytes:
    """Return one server-sent event."""
    return b"data: " + json.dumps(data, separators=(",", ":")).encode() + b"\n\n"
