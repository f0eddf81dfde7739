"""The answerer without a model: it answers in the words of the sources, or does not know."""

import math
import re
from collections import Counter
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from libs.contracts.chat import ChatGrounded, Passage
from libs.language.asking import asked_for, given, stems
from libs.language.greeting import without_greeting
from libs.runtime.aside import aside
from services.llm.agent import AgentSettings, settings_of
from services.llm.choices import Choice
from services.llm.interface import Ending, Piece
from services.llm.quote.units import Unit, units_of
from services.llm.settings import LlmSettings

MOST_UNITS = 3
"""Most sentences, list items or rows that are quoted, unless a whole list is the answer."""
MOST_ROWS = 10
"""Most rows that are quoted when they answer equally well."""
WORDS_PER_PIECE = 3
_WITH_SPACE_BEFORE = re.compile(r"\s*+(?:\S++|\Z)")
PASSAGES_REMEMBERED = 256
"""Passages that stay read: the same ones are found again and again."""
NEARLY_AS_RELEVANT = 0.5
"""A passage is looked at when it is at least this relevant, against the most relevant one."""
WORDS_COUNT = 0.5
"""What having all words of the question is worth, against a relevance of 1."""
CONTEXT_COUNTS = 0.5
"""What a word is worth that stands in what goes before a sentence, or in a heading above it."""
AS_GOOD = 0.75
"""A unit beside the best one is quoted too when it has this share of what that one has."""
ADDS = 0.25
"""And when it has so much of the question that none before it had."""
ADDS_FROM_ELSEWHERE = 0.35
"""The same for one from another passage: most of the other half of a twofold question."""


class Extractive:
    """Streams like a model, so that everything behind it is the same."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings

    async def answer(
        self, grounded: ChatGrounded, _: Choice, __: float = 0.0
    ) -> AsyncGenerator[Piece, None]:
        """See Answerer."""
        agent = settings_of(grounded.request.agent, self._settings)
        # Half a dozen chunks are read at once; long ones, or answers of Q&A, are another matter.
        long = len(grounded.request.question) + sum(len(one.text) for one in grounded.passages)
        for piece in await aside(long, _answer, grounded, agent):
            yield piece
        yield Ending()


def _answer(grounded: ChatGrounded, agent: AgentSettings) -> list[str]:
    return _in_pieces(extract(grounded, agent))


def extract(grounded: ChatGrounded, agent: AgentSettings) -> str:
    """Return the answer to the question, or what the agent says when it does not know."""
    if not agent.may_answer(grounded):
        return agent.no_answer
    return quote(grounded.passages, grounded.request.question) or agent.no_answer


@dataclass(frozen=True)
class _Candidate:
    """A unit, or the answer of a Q&A, and what of the question is in it.

    `own` words are its own, `words` those of its lead-in as well, `near` those of its context.
    """

    passage: int
    relevance: float
    unit: Unit
    own: frozenset[str]
    words: frozenset[str]
    near: frozenset[str]
    whole: bool = False


def quote(passages: Iterable[Passage], question: str) -> str:
    """Return what answers the question, in the words of the passages; empty when they have none.

    When no word is shared, the search found the passages by their meaning: the beginning of the
    most relevant one then.
    """
    question = without_greeting(question)
    kinds = asked_for(question)
    asked = stems(question) | kinds
    ranked = sorted(passages, key=lambda passage: passage.relevance, reverse=True)
    least = ranked[0].relevance * NEARLY_AS_RELEVANT if ranked else 0
    candidates = [
        candidate
        for number, passage in enumerate(ranked)
        if passage.relevance >= least
        for candidate in _candidates(number, passage, asked, kinds)
    ]
    if not candidates:
        return ""
    weights = _weights(candidates, asked)
    if not weights:
        return _joined(_beginning(candidates))
    return _joined(_chosen(candidates, weights))


def _candidates(
    number: int, passage: Passage, asked: frozenset[str], kinds: frozenset[str]
) -> Iterator[_Candidate]:
    if passage.answer:
        said = f"{passage.question}\n{passage.answer}"
        words = (stems(said) & asked) | given(passage.answer, kinds)
        unit = Unit(passage.answer.strip(), 0)
        yield _Candidate(number, passage.relevance, unit, words, words, frozenset(), whole=True)
        return
    above = stems(f"{passage.title} {passage.heading} {passage.question}")
    for unit, text, lead, context in _read(_own_text(passage)):
        own = (text & asked) | given(unit.text, kinds)
        near = (above | context) & asked
        yield _Candidate(number, passage.relevance, unit, own, own | (lead & asked), near)


def _own_text(passage: Passage) -> str:
    """Return what a passage says: of a piece of a long answer, without the question."""
    return passage.text.removeprefix(f"{passage.question}\n") if passage.question else passage.text


@lru_cache(maxsize=PASSAGES_REMEMBERED)
def _read(text: str) -> tuple[tuple[Unit, frozenset[str], frozenset[str], frozenset[str]], ...]:
    """Return the units of a text, and the stems of each, of its lead-in and of its context."""
    return tuple(
        (unit, stems(unit.text), stems(unit.lead), stems(unit.context)) for unit in units_of(text)
    )


def _weights(candidates: Sequence[_Candidate], asked: frozenset[str]) -> dict[str, float]:
    """Return what each word of the question is worth: the rarer, the more; all together 1."""
    found = Counter(word for candidate in candidates for word in candidate.words)
    rarity = {word: math.log(1 + len(candidates) / found[word]) for word in asked if word in found}
    total = sum(rarity.values())
    return {word: value / total for word, value in rarity.items()}


def _chosen(candidates: Sequence[_Candidate], weights: dict[str, float]) -> list[_Candidate]:
    """Return the best unit and those that belong to it, or add to it, in the sources' order."""

    def worth(words: Iterable[str]) -> float:
        return sum(weights.get(word, 0.0) for word in words)

    def covers(candidate: _Candidate) -> float:
        return worth(candidate.words) + CONTEXT_COUNTS * worth(candidate.near - candidate.words)

    def score(candidate: _Candidate) -> float:
        return candidate.relevance + WORDS_COUNT * covers(candidate)

    order = {id(candidate): number for number, candidate in enumerate(candidates)}
    best = max(candidates, key=score)
    if _stands_for_its_list(best):
        return [each for each in candidates if _same_block(each, best)]
    chosen = [best]
    known = best.words
    rows = _rows_as_good(best, candidates)
    if len(rows) > 1:
        return rows
    for candidate in sorted(candidates, key=score, reverse=True):
        new = worth(candidate.words - known)
        beside = candidate.passage == best.passage
        if beside:
            belongs = covers(candidate) >= AS_GOOD * covers(best) or new >= ADDS
        else:
            belongs = new >= ADDS_FROM_ELSEWHERE
        if candidate is not best and belongs and len(chosen) < MOST_UNITS:
            chosen.append(candidate)
            known |= candidate.words
    return sorted(chosen, key=lambda each: order[id(each)])


def _rows_as_good(best: _Candidate, candidates: Sequence[_Candidate]) -> list[_Candidate]:
    """Return the rows that have the same of the question as the best one: all are asked for."""
    if not best.unit.row or not _named(best.words):
        return []
    rows = [
        each
        for each in candidates
        if each.unit.row and each.words == best.words and each.near >= best.near
    ]
    return rows[:MOST_ROWS]


def _named(words: Iterable[str]) -> set[str]:
    """Return the words of a question that are in a text, without the kinds of thing it gives."""
    return {word for word in words if not word.startswith("#")}


def _stands_for_its_list(best: _Candidate) -> bool:
    """Tell whether the question is about what introduces a list, not about one of its items."""
    return best.unit.listed and not best.unit.row and not _named(best.own) - best.near


def _same_block(one: _Candidate, other: _Candidate) -> bool:
    return (one.passage, one.unit.block) == (other.passage, other.unit.block)


def _beginning(candidates: Sequence[_Candidate]) -> list[_Candidate]:
    first = candidates[0]
    if first.unit.listed and not first.unit.row:
        return [each for each in candidates if _same_block(each, first)][:MOST_ROWS]
    return [each for each in candidates if each.passage == first.passage][:MOST_UNITS]


def _joined(chosen: Sequence[_Candidate]) -> str:
    """Put units together as they stood: sentences in line, items and rows below each other."""
    text = ""
    lead = ""
    for before, candidate in zip((None, *chosen), chosen, strict=False):
        unit = candidate.unit
        alone = not any(_same_block(candidate, other) for other in chosen if other is not candidate)
        if unit.lead and unit.lead != lead:
            text += f"{_gap(before, candidate, text)}{unit.lead}"
            lead = unit.lead
            text += " " if alone or not unit.listed else "\n"
        else:
            text += _gap(before, candidate, text)
        text += _ITEM_MARK.sub("", unit.text) if alone else unit.text
    return text.strip()


_ITEM_MARK = re.compile(r"^(?:[-*+•‣◦]|\d{1,3}[.)])\s++")


def _gap(before: _Candidate | None, after: _Candidate, text: str) -> str:
    if not text:
        return ""
    if before is None or before.passage != after.passage:
        return "\n\n"
    return "\n" if before.unit.listed or after.unit.listed else " "


def _in_pieces(text: str) -> list[str]:
    """Cut a text into a few words each; joined they are it again."""
    words = _WITH_SPACE_BEFORE.findall(text)
    pieces = (
        "".join(words[start : start + WORDS_PER_PIECE])
        for start in range(0, len(words), WORDS_PER_PIECE)
    )
    return list(filter(None, pieces))
