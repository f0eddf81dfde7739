"""Orders what was found: the cosine and the words of the question together, each text once.

How the weights came about: docs/decisions/ranking-cosine-and-words.md.
"""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from libs.language.asking import asked_for, given, stems, without_kinds
from services.rag.index.interface import Hit
from services.rag.index.words import Words

WORDS_WEIGHT = 0.15
"""What sharing all words of the question is worth, as a cosine."""
CODES_WEIGHT = 0.3
"""What sharing its product codes is worth beside that: a vector hardly tells one from another."""
EXACT = 2.0
"""The score of a stored question that is asked word for word: as sure as can be."""
NARROWER = 0.1
"""What a stored question loses, as a cosine, that has all words of the question and others."""
BY_WORDS = (0.45, 0.24)
"""The score of a passage in a language that the model does not know: without any word of the
question, and what all of them add. Three fifths of them are as good as a coin."""
LONGER = 0.0002
"""What each word of such a passage costs: of two that have the same of a question, the shorter."""
MOST_LONGER = 0.02
FACT = 0.2
"""What a line is worth that gives the kind of thing asked for, and has all that it is asked of."""
STEMS_REMEMBERED = 2_048
"""Lines and stored questions whose stems are kept: of 2,000 characters each at most."""
MOST_FACT = 160
"""Characters of a line that may be such a fact."""
MOST_FACTS = 200
"""Lines of a passage that are looked at for one."""
PASSAGES_REMEMBERED = 512
"""Passages whose lines and words are kept: some 20 kB each."""
SAME_TEXT = 0.9
"""Share of their words that two passages have in common which say the same."""

_TOKEN = re.compile(r"[^\W_]+")
_DIGIT = re.compile(r"\d")
_LABEL = re.compile(r"[-*\s]*([^:]{2,40}):\s")
_LINE = re.compile(r"\n+|(?<=[.!?])\s+")


@dataclass(frozen=True, slots=True)
class Ranked:
    """A hit and its score: comparable between questions, and what probabilities are read off."""

    hit: Hit
    score: float


def ranked(hits: Sequence[Hit], question: str, words: Words) -> list[Ranked]:
    """Return the hits for a question of these words, best first.

    The pieces of the answer to a stored question that is asked word for word come in their order.
    """
    about = AskedFor.of(question)
    weights = _rarity(hits, words.all)
    total = sum(weights.values())

    def score(hit: Hit) -> float:
        if words.stored in hit.words:
            return EXACT
        shared = sum(weight for word, weight in weights.items() if word in hit.words)
        share = shared / total if total else 0.0
        if not words.known:
            return _by_words(share, hit)
        codes = len(words.codes & hit.words) / len(words.codes) if words.codes else 0.0
        others = WORDS_WEIGHT * share + CODES_WEIGHT * codes
        return hit.score + others + FACT * about.is_told_in(hit) - NARROWER * about.is_wider(hit)

    found = sorted((Ranked(hit, score(hit)) for hit in hits), key=lambda one: -one.score)
    return _in_order(found)


def _by_words(share: float, hit: Hit) -> float:
    """Return the score of a passage of which vectors say nothing."""
    none, all_of_them = BY_WORDS
    return none + all_of_them * share - min(MOST_LONGER, LONGER * len(hit.words))


def _in_order(found: list[Ranked]) -> list[Ranked]:
    """Return what was found with the answers to the question itself in front, each in order."""
    exact = [one.hit.chunk for one in found if one.score == EXACT]
    if len(exact) < 2:
        return found
    nearest = {source: at for at, source in enumerate(dict.fromkeys(c.source_id for c in exact))}
    first = sorted(
        found[: len(exact)],
        key=lambda one: (nearest[one.hit.chunk.source_id], one.hit.chunk.number),
    )
    return [*first, *found[len(exact) :]]


@lru_cache(STEMS_REMEMBERED)
def _stems(text: str) -> frozenset[str]:
    """Return the stems of a line or a stored question: the same ones are found again and again."""
    return stems(text)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """What a question asks for (prices, times, places), and of what."""

    kinds: frozenset[str]
    words: frozenset[str]
    all: frozenset[str]

    @staticmethod
    def of(question: str) -> "AskedFor":
        """Take a question apart."""
        kinds = asked_for(question)
        return AskedFor(kinds, stems(without_kinds(question)), stems(question))

    def is_told_in(self, hit: Hit) -> bool:
        """Tell whether a line of a passage is the fact that is asked for."""
        if hit.chunk.answer or not (self.kinds or self.words):
            return False
        above = _stems(f"{hit.chunk.title} {hit.chunk.heading}") if self.words else frozenset()
        return any(self._is_fact(line, above) for line in _lines(hit.chunk.text))

    def _is_fact(self, line: str, above: frozenset[str]) -> bool:
        label = _LABEL.match(line)
        if label and self.words and self.words <= _stems(label[1]) | above:
            return not self.words <= above
        return bool(given(line, self.kinds)) and self.words <= _stems(line) | above

    def is_wider(self, hit: Hit) -> bool:
        """Tell whether a stored question asks for something narrower: this, and more words."""
        stored = _stems(hit.chunk.question) if hit.chunk.question else frozenset()
        return bool(self.all) and self.all < stored


@lru_cache(PASSAGES_REMEMBERED)
def _lines(text: str) -> tuple[str, ...]:
    """Return the lines of a passage that may be a fact."""
    lines = islice(_LINE.split(text), MOST_FACTS)
    return tuple(line for line in lines if line and len(line) <= MOST_FACT)


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
    for one in found:
        if len(kept) == most:
            break
        if not any(_same(one.hit.chunk.text, other.hit.chunk.text) for other in kept):
            kept.append(one)
    return kept


@lru_cache(PASSAGES_REMEMBERED)
def _tokens(text: str) -> frozenset[str]:
    return frozenset(_TOKEN.findall(text.lower()))


def _same(text: str, other_text: str) -> bool:
    """Whether two texts say the same; another price or date is another text."""
    one, other = _tokens(text), _tokens(other_text)
    different = one ^ other
    if any(_DIGIT.search(token) for token in different):
        return False
    return len(one & other) >= SAME_TEXT * len(one | other)
