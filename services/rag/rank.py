"""Orders what was found: the cosine and the words of the question together, each text once.

How the weights came about: docs/decisions/ranking-cosine-and-words.md.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.rag.index.interface import Hit
from services.rag.words import Words

WORDS_WEIGHT = 0.15
"""What sharing all words of the question is worth, as a cosine."""
CODES_WEIGHT = 0.3
"""What sharing its product codes is worth beside that: a vector hardly tells one from another."""
SAME_TEXT = 0.9
"""Share of their words that two passages have in common which say the same."""

_TOKEN = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit and its score: comparable between questions, and what probabilities are read off."""

    hit: Hit
    score: float


def ranked(hits: Sequence[Hit], words: Words) -> list[Ranked]:
    """Return the hits for a question of these words, best first."""
    weights = _rarity(hits, words.all)
    total = sum(weights.values())

    def score(hit: Hit) -> float:
        shared = sum(weight for word, weight in weights.items() if word in hit.words)
        codes = len(words.codes & hit.words) / len(words.codes) if words.codes else 0.0
        return hit.score + WORDS_WEIGHT * (shared / total if total else 0.0) + CODES_WEIGHT * codes

    return sorted((Ranked(hit, score(hit)) for hit in hits), key=lambda one: -one.score)


def _rarity(hits: Sequence[Hit], words: Iterable[int]) -> dict[int, float]:
    """Return what each word says (its idf), among the hits: the nearest, and those that share it.

    Measured as good as the idf among all chunks of the agent, which no engine hands out.
    """
    count = len(hits)
    containing = {word: sum(word in hit.words for hit in hits) for word in words}
    return {
        word: math.log1p((count - found + 0.5) / (found + 0.5))
        for word, found in containing.items()
    }


def distinct(found: Iterable[Ranked], most: int) -> list[Ranked]:
    """Return the best of each group that says the same, at most so many."""
    kept: list[Ranked] = []
    texts: list[frozenset[str]] = []
    for one in found:
        if len(kept) == most:
            break
        tokens = frozenset(_TOKEN.findall(one.hit.chunk.text.lower()))
        if not any(_same(tokens, other) for other in texts):
            kept.append(one)
            texts.append(tokens)
    return kept


def _same(one: frozenset[str], other: frozenset[str]) -> bool:
    """Whether two texts say the same; another price or date is another text."""
    different = one ^ other
    if any(_DIGIT.search(token) for token in different):
        return False
    return len(one & other) >= SAME_TEXT * len(one | other)
