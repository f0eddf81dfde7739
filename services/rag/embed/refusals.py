"""From what an embedding server refuses with to what it means. No I/O.

Its words decide nothing that the status says already, and are never passed on: they may repeat the
text. They are read, where servers use one status for many things, for which thing they name.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from libs.egress.retry_after import model_retry_after
from libs.runtime.clock import now
from services.rag.embed.answer import error_in
from services.rag.embed.errors import (
    Broken,
    EmbeddingError,
    EmbeddingRefused,
    EmbeddingUnavailable,
    NotTaken,
    TooMuch,
)

_STATUS = re.compile(r"[45]\d\d(\d\d)?")
UNTOLD = frozenset({200, 500})
"""Statuses with which anything may be meant."""
READ = 4_000
"""Characters of an error's words that are looked at."""
SHOWN = 200
"""Characters of them that an operator is shown at the start."""
_IDENTIFIER = re.compile(r"[A-Za-z0-9_.-]{1,64}")
_BROKE = re.compile(r"insufficient_quota|insufficient[ _]balance|credit balance|billing|arrear")
_DIMENSIONS = re.compile(r"dimension|matryoshka")
_FORM = re.compile(r"encoding_format|encoding format|base64")
_MODEL = re.compile(r"model")
_SIZE = re.compile(
    r"too (?:long|large|big|many)|batch[ _]?size|context|token|"
    r"length|larger than|longer than|at most|maximum|exceed"
)
_TOO_LONG = re.compile(
    r"too (?:long|large|big|many)|batch[ _]?size|context (?:length|size|window)|\btokens\b|"
    r"input length|sequence length"
)
"""The same, where the status says nothing: llama.cpp answers a text that is too long with a 500."""
_TRY_LATER = re.compile(r"overloaded|rate.?limit|too many requests|try again|loading|unavailable")


@dataclass(frozen=True, kw_only=True)
class AskedTexts:
    """What was asked: so many texts, the longest of so many characters, and a vector size."""

    texts: int
    characters: int
    dimensions: int | None


def refusal(
    status: int, headers: Mapping[str, str], body: bytes, asked: AskedTexts
) -> EmbeddingError:
    """Return what an answer that is an error means."""
    reported = error_in(body) or {}
    words = str(reported.get("message") or body[:READ].decode(errors="replace"))[:READ]
    means = _meaning(_status(status, reported), headers, reported, words.lower(), asked)
    means.said = " ".join(words.split())[:SHOWN]
    return means


def _meaning(
    status: int, headers: Mapping[str, str], error: Mapping[str, Any], words: str, asked: AskedTexts
) -> EmbeddingError:
    named = f"{status}{_named(error)}"
    if status == 402 or (status in {403, 429} and _BROKE.search(words + named)):
        return EmbeddingRefused(
            f"The account behind EMBEDDINGS_API_KEY has no credit left at the embedding server "
            f"({named}); the operator has to see to it."
        )
    if status in {401, 403}:
        return EmbeddingRefused(
            f"The embedding server refuses the key ({named}); the operator has to correct "
            f"EMBEDDINGS_API_KEY."
        )
    if status in {404, 405, 410} or 300 <= status < 400:
        return _not_there(status, named, words)
    if status in {408, 425, 429, 502, 503, 504, 524, 529}:
        sentence = f"The embedding server is overloaded or starting ({named})."
        return EmbeddingUnavailable(sentence, model_retry_after(headers, now()))
    return _about_the_request(status, named, words, asked)


def _about_the_request(status: int, named: str, words: str, asked: AskedTexts) -> EmbeddingError:
    if asked.dimensions and _DIMENSIONS.search(words):
        return EmbeddingRefused(
            f"The embedding server refuses vectors of {asked.dimensions} numbers ({named}); the "
            f"operator has to correct or unset EMBEDDINGS_DIMENSIONS."
        )
    if status in {400, 422} and _names_the_model(words):
        return EmbeddingRefused(
            f"The embedding server does not take the model ({named}); the operator has to correct "
            f"EMBEDDINGS_MODEL."
        )
    later = status < 400 and _TRY_LATER.search(words)
    if status in {400, 413, 422} or (not later and status in UNTOLD and _TOO_LONG.search(words)):
        if asked.texts > 1:
            return TooMuch(
                f"The embedding server refuses {asked.texts} texts in one request ({named}); the "
                f"operator has to set EMBEDDINGS_BATCH lower."
            )
        return TooMuch(
            f"The embedding server refuses a text of {asked.characters} characters ({named}); if "
            f"it is longer than the model takes, shorten it, or the operator sets CHUNK_CHARACTERS "
            f"lower or takes another EMBEDDINGS_MODEL."
        )
    if status >= 500 or later:
        return Broken(f"The embedding server failed ({named}).")
    if status < 400:
        return EmbeddingRefused(
            f"The embedding server answered with an error ({named}); the operator has to see to "
            f"the server at EMBEDDINGS_BASE_URL."
        )
    return NotTaken(
        f"The embedding server refuses the request ({named}); the operator has to check "
        f"EMBEDDINGS_BASE_URL and EMBEDDINGS_MODEL."
    )


def _names_the_model(words: str) -> bool:
    """Say whether the model itself is refused, not a text for being longer than it takes."""
    return bool(_MODEL.search(words) and not _SIZE.search(words) and not _FORM.search(words))


def _not_there(status: int, named: str, words: str) -> EmbeddingRefused:
    if status == 404 and _MODEL.search(words):
        return EmbeddingRefused(
            f"The embedding server does not know the model ({named}); the operator has to correct "
            f"EMBEDDINGS_MODEL."
        )
    return EmbeddingRefused(
        f"There are no embeddings at that address ({named}); the operator has to correct "
        f"EMBEDDINGS_BASE_URL, which mostly ends in /v1."
    )


def _status(status: int, error: Mapping[str, Any]) -> int:
    """Return the status, or the one that an error inside of a 200 names."""
    if status >= 300:
        return status
    named = [error.get("code"), error.get("status"), error.get("status_code")]
    # vLLM's and FastChat's own codes begin with the status they mean.
    numbers = [int(str(one)[:3]) for one in named if _STATUS.fullmatch(str(one))]
    return numbers[0] if numbers else status


def _named(error: Mapping[str, Any]) -> str:
    """Return code, type and parameter of an error, where they are plain identifiers."""
    said = [str(error.get(name) or "") for name in ("code", "type", "param")]
    return "".join(f", {one}" for one in said if _IDENTIFIER.fullmatch(one))
