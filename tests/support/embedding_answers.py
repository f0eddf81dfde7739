"""What an embedding server may answer."""

import json
import math
import random
from typing import Any

from tests.fakes.odd_embeddings import DIMENSIONS, Asked, Behaviour, Said, listed, ordinary, packed


def error(status: int, message: str, **more: Any) -> Said:
    """An error in OpenAI's form."""
    return Said({"error": {"message": message, **more}}, status)


def at_most(texts: int, status: int) -> Behaviour:
    """A server with a batch limit that it does not name."""
    return lambda asked: Said({}, status) if len(asked.texts) > texts else ordinary(asked)


def up_to(characters: int, refused: Said) -> Behaviour:
    """A server whose model takes short texts only."""

    def behave(asked: Asked) -> Said:
        return refused if max(map(len, asked.texts)) > characters else ordinary(asked)

    return behave


def takes(**wanted: Any) -> Behaviour:
    """A server that takes only requests whose fields have these values."""

    def behave(asked: Asked) -> Said:
        if any(asked.body.get(name) != value for name, value in wanted.items()):
            return Said({"detail": "bad request"}, 422)
        return ordinary(asked)

    return behave


def shuffled(asked: Asked) -> Said:
    """Vectors in another order, with their index."""
    items = ordinary(asked).body["data"]
    random.Random(7).shuffle(items)
    return Said({"data": items})


def strings_only(asked: Asked) -> Said:
    """A server that refuses lists of texts."""
    return ordinary(asked) if isinstance(asked.body["input"], str) else error(400, "no lists")


def every_second(asked: Asked) -> Said:
    """429 at every second request."""
    slow_down = Said({"error": {"message": "slow down"}}, 429, {"retry-after": "0.1"})
    return ordinary(asked) if asked.nth % 2 else slow_down


RIGHT: dict[str, Behaviour] = {
    "floats-or-base64": ordinary,
    "always-base64": lambda asked: listed([packed(one) for one in asked.vectors]),
    "always-floats": lambda asked: listed(asked.vectors),
    "no-base64": lambda asked: (
        error(400, "encoding_format must be float") if asked.is_base64 else ordinary(asked)
    ),
    "no-base64-without-words": takes(encoding_format="float"),
    "no-base64-a-500": lambda asked: error(500, "oops") if asked.is_base64 else ordinary(asked),
    "no-base64-an-empty-list": lambda asked: listed([]) if asked.is_base64 else ordinary(asked),
    "no-encoding-format": takes(encoding_format=None),
    "strings-only": strings_only,
    "ten-at-once-400": at_most(10, 400),
    "four-at-once-422": at_most(4, 422),
    "one-at-once-413": at_most(1, 413),
    "three-at-once-500": lambda asked: (
        error(500, "batch size 16 > 3") if len(asked.texts) > 3 else ordinary(asked)
    ),
    "answers-the-first-only": lambda asked: listed(asked.vectors[:1]),
    "short-texts-400": up_to(200, Said({}, 400)),
    "short-texts-413": up_to(200, error(413, "inputs must have less than 50 tokens")),
    "short-texts-500": up_to(200, error(500, "input (612 tokens) is too large to process")),
    "short-texts-model": up_to(200, error(400, "this model's maximum context length is 50")),
    "length-37": lambda asked: listed([[37 * one for one in each] for each in asked.vectors]),
    "shuffled": shuffled,
    "index-0": lambda asked: Said({"data": [{"index": 0, "embedding": v} for v in asked.vectors]}),
    "no-index": lambda asked: Said({"data": [{"embedding": one} for one in asked.vectors]}),
    "index-of-text": lambda asked: Said(
        {"data": [{"index": str(n), "embedding": v} for n, v in enumerate(asked.vectors)]}
    ),
    "whole-numbers": lambda asked: listed([[round(1000 * n) for n in v] for v in asked.vectors]),
    "nested": lambda asked: listed([[one] for one in asked.vectors]),
    "nested-base64": lambda asked: listed([[packed(one)] for one in asked.vectors]),
    "bare-list": lambda asked: Said(asked.vectors),
    "bare-items": lambda asked: Said(listed(asked.vectors).body["data"]),
    "embeddings": lambda asked: Said({"embeddings": asked.vectors}),
    "null-error": lambda asked: Said({**ordinary(asked).body, "error": None, "message": ""}),
    "429-every-second": every_second,
    "500-twice": lambda asked: error(500, "") if asked.nth in {2, 3} else ordinary(asked),
    "503-then-html": lambda asked: Said(b"<html>", 503) if asked.nth == 2 else ordinary(asked),
}
"""Those with which everything works."""


def with_first(asked: Asked, change: Any) -> Said:
    """An answer whose first vector's first number is another."""
    first, *others = asked.vectors
    return Said(json.dumps(listed([[change, *first[1:]], *others]).body).encode())


ODD: dict[str, tuple[Behaviour, str]] = {
    "nan": (lambda asked: with_first(asked, math.nan), "not finite"),
    "infinite": (lambda asked: with_first(asked, math.inf), "not finite"),
    "huge": (lambda asked: with_first(asked, 10**400), "too large"),
    "null": (lambda asked: with_first(asked, None), "else than numbers"),
    "true": (lambda asked: with_first(asked, True), "else than numbers"),
    "text-number": (lambda asked: with_first(asked, "0.5"), "else than numbers"),
    "nan-base64": (lambda asked: listed([packed([math.nan])] * len(asked.texts)), "not finite"),
    "zeros": (lambda asked: listed([[0.0] * DIMENSIONS for _ in asked.texts]), "of zeros"),
    "empty-vectors": (lambda asked: listed([[] for _ in asked.texts]), "an empty vector"),
    "null-vectors": (lambda asked: listed([None for _ in asked.texts]), "left out a vector"),
    "number-vectors": (lambda asked: listed([1 for _ in asked.texts]), "left out a vector"),
    "a-vector-a-token": (lambda asked: listed([[v, v] for v in asked.vectors]), "pooling"),
    "uneven": (
        lambda asked: listed([[1.0] * (8 + n) for n, _ in enumerate(asked.vectors)]),
        "different sizes",
    ),
    "another-size": (
        lambda asked: listed([[1.0] * (DIMENSIONS if asked.is_start else 8) for _ in asked.texts]),
        "8 numbers, not 16 as before.*INDEX_COLLECTION",
    ),
    "empty-list": (lambda _: listed([]), "0 vectors for 1 text"),
    "one-too-many": (lambda asked: listed([*asked.vectors, [1.0]]), "2 vectors for 1 text"),
    "null-data": (lambda _: Said({"data": None}), "without vectors"),
    "object-data": (lambda _: Said({"data": {"embedding": None}}), "without vectors"),
    "null-body": (lambda _: Said(None), "without vectors"),
    "number-body": (lambda _: Said(7), "without vectors"),
    "empty-object": (lambda _: Said({}), "without vectors"),
    "empty-body": (lambda _: Said(b""), "an empty answer"),
    "204": (lambda _: Said(b"", 204), "an empty answer"),
    "page": (lambda _: Said(b"<!DOCTYPE html><html>log in"), "a web page.*EMBEDDINGS_BASE_URL"),
    "half-json": (lambda _: Said(b'{"data": ['), "not JSON"),
    "deep": (lambda _: Said(b"[" * 200_000), "not JSON"),
    "not-unicode": (lambda _: Said(b'{"data": "\xff\xfe'), "not JSON"),
    "bad-base64": (lambda asked: listed(["***"] * len(asked.texts)), "not base64"),
    "cut-base64": (lambda asked: listed(["AAA="] * len(asked.texts)), "32-bit"),
    "broken-gzip": (
        lambda _: Said(b"plain", headers={"content-encoding": "gzip"}),
        "compression is broken",
    ),
    "error-with-200": (lambda _: Said({"error": "no"}), "answered with an error"),
    "object-error": (lambda _: Said({"object": "error", "message": "no"}), "with an error"),
    "quota-with-200": (
        lambda _: Said({"error": {"code": 429, "message": "insufficient_quota"}}),
        "no credit left",
    ),
    "401": (lambda _: error(401, "bad key"), "EMBEDDINGS_API_KEY"),
    "403": (lambda _: Said(b"<html>", 403), "EMBEDDINGS_API_KEY"),
    "402": (lambda _: Said({}, 402), "no credit left"),
    "429-quota": (lambda _: error(429, "", code="insufficient_quota"), "no credit left"),
    "404-path": (lambda _: Said(b"not found", 404), "EMBEDDINGS_BASE_URL.*/v1"),
    "404-model": (lambda _: error(404, "model embed-1 not found"), "EMBEDDINGS_MODEL"),
    "400-model": (lambda _: error(400, "invalid model"), "EMBEDDINGS_MODEL"),
    "405": (lambda _: Said({}, 405), "EMBEDDINGS_BASE_URL.*/v1"),
    "301": (
        lambda _: Said(b"", 301, {"location": "http://127.0.0.1:1/"}),
        "EMBEDDINGS_BASE_URL",
    ),
    "418": (lambda _: Said({}, 418), "refuses the request"),
}
"""Those that don't embed at all, or no texts, and what is said of them."""
