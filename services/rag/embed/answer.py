"""Reads the vectors in what an embedding server answers. No I/O.

OpenAI's own form is an object with `data`, a list of items with `index` and `embedding`, which is a
list of numbers or base64 of 32-bit floats. Servers also send, whatever was asked: the other one of
these two, items without or with wrong indexes, a bare list of items or vectors, `embeddings`, and a
vector in a list of its own. All of that is clear. What is not is an OddAnswer that says why.
"""

import base64
import binascii
import json
import math
import struct
from typing import Any

from services.rag.embed.errors import Missing, OddAnswer
from services.rag.vector import Vector

FLOAT = 4
"""Bytes of a number in base64."""


def vectors_in(body: bytes, count: int) -> list[Vector]:
    """Return `count` vectors of one size and length 1, in order. Raises OddAnswer."""
    items = _items(_json(body))
    if len(items) != count:
        raise Missing(
            f"The embedding server sent {_counted(len(items), 'vector')} "
            f"for {_counted(count, 'text')}."
        )
    vectors = [_normalised(_vector(item)) for item in _ordered(items)]
    if len({len(vector) for vector in vectors}) > 1:
        raise OddAnswer("The embedding server sent vectors of different sizes in one answer.")
    return vectors


def error_in(body: bytes) -> dict[str, Any] | None:
    """Return the error that a body reports, None when it reports none or is no JSON object."""
    try:
        answer = _json(body)
    except OddAnswer:
        return None
    if not isinstance(answer, dict):
        return None
    error = answer.get("error")
    if isinstance(error, dict):
        return error if any(error.values()) else None
    if isinstance(error, str) and error:
        return {**answer, "message": error}
    said = answer.get("message") or answer.get("detail") or answer.get("msg")
    return {**answer, "message": said} if said and "data" not in answer else None


def _json(body: bytes) -> Any:
    if not body.strip():
        raise OddAnswer("The embedding server sent an empty answer.")
    try:
        # The standard library's, since it also reads the NaN that servers send.
        return json.loads(body)
    except (ValueError, RecursionError):
        page = b"<html" in body[:2000].lower() or b"<!doctype" in body[:2000].lower()
        what = "a web page" if page else "something that is not JSON"
        raise OddAnswer(
            f"The embedding server sent {what} instead of vectors: is EMBEDDINGS_BASE_URL right?"
        ) from None


def _items(answer: Any) -> list[Any]:
    if isinstance(answer, dict):
        for name in ("data", "embeddings"):
            if isinstance(answer.get(name), list):
                answer = answer[name]
                break
        else:
            answer = [answer] if isinstance(answer.get("embedding"), list | str) else answer
    if not isinstance(answer, list):
        raise OddAnswer("The embedding server sent an answer without vectors.")
    if answer and all(_is_number(one) for one in answer):
        return [answer]  # a single vector, by itself
    return answer


def _ordered(items: list[Any]) -> list[Any]:
    """Return them by their indexes where these make sense, else as they came."""
    indexes = [item.get("index") if isinstance(item, dict) else None for item in items]
    if sorted(index for index in indexes if type(index) is int) != list(range(len(items))):
        return items
    placed = dict(zip(indexes, items, strict=True))
    return [placed[number] for number in range(len(items))]


def _vector(item: Any) -> list[float]:
    value = item.get("embedding") if isinstance(item, dict) else item
    if isinstance(value, list) and len(value) == 1 and isinstance(value[0], list | str):
        value = value[0]
    if isinstance(value, str):
        return _unpacked(value)
    if not isinstance(value, list):
        raise OddAnswer("The embedding server left out a vector.")
    if any(isinstance(number, list) for number in value):
        raise OddAnswer(
            "The embedding server sent one vector for each token: switch its pooling on "
            "(llama.cpp: --pooling mean), or name an embedding model in EMBEDDINGS_MODEL."
        )
    if not all(_is_number(number) for number in value):
        raise OddAnswer("The embedding server sent something else than numbers in a vector.")
    try:
        return [float(number) for number in value]
    except OverflowError:
        raise OddAnswer("The embedding server sent a number that is too large.") from None


def _is_number(value: Any) -> bool:
    return type(value) in (int, float)


def _unpacked(packed: str) -> list[float]:
    try:
        binary = base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        raise OddAnswer("The embedding server sent a vector that is not base64.") from None
    if len(binary) % FLOAT:
        raise OddAnswer("The embedding server sent base64 that is not made of 32-bit numbers.")
    return list(struct.unpack(f"<{len(binary) // FLOAT}f", binary))


def _normalised(vector: list[float]) -> Vector:
    """Scale to length 1, which not every server does, so that scores are cosines."""
    length = math.hypot(*vector)
    if not vector:
        raise OddAnswer("The embedding server sent an empty vector.")
    if not math.isfinite(length):
        raise OddAnswer("The embedding server sent a vector with a number that is not finite.")
    if not length:
        raise OddAnswer("The embedding server sent a vector of zeros.")
    return [number / length for number in vector]


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
