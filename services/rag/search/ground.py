"""Finds the passages for a question among the agent's own chunks, and says how good they are."""

from dataclasses import dataclass
from functools import partial

from libs.contracts.chat import Ground, Grounded, Passage
from libs.language.greeting import without_greeting
from libs.language.scripts import by_script, normal
from libs.runtime.aside import aside
from services.rag.embed.interface import Embedder
from services.rag.index.interface import Hit, Index
from services.rag.index.words import words_of_question
from services.rag.search.budget import in_budget
from services.rag.search.confidence import Calibration
from services.rag.search.follow_up import leans_on, with_context
from services.rag.search.rank import Ranked, distinct, ranked
from services.rag.search.suggest import suggest

LATIN_WORDS = 4
"""Words in Latin letters of a question in two scripts, from which its vector says something."""
SURE = 0.5
"""Below this confidence a short question is tried again in its context."""


@dataclass(frozen=True, kw_only=True)
class SearchLimits:
    """How many passages, from which relevance on, and how long a follow-up may be, in words.

    So many `candidates` are searched by meaning, and as many by words.
    """

    top_k: int
    candidates: int
    min_relevance: float
    follow_up_words: int


class Retriever:
    """Search and score."""

    def __init__(
        self, embedder: Embedder, index: Index, calibration: Calibration, limits: SearchLimits
    ) -> None:
        self._embedder = embedder
        self._index = index
        self._calibration = calibration
        self._limits = limits

    async def ground(self, asked: Ground) -> Grounded:
        """Return the passages for a question, best first, and the confidence in them."""
        found = await self.find(asked)
        # The usual dozen chunks are compared at once; long answers of Q&A are another matter.
        long = sum(len(one.hit.chunk.answer) for one in found)
        return await aside(long, self._grounded, asked, found)

    def _grounded(self, asked: Ground, found: list[Ranked]) -> Grounded:
        shown = distinct(found, self._limits.top_k)
        return Grounded(
            passages=self._passages(shown),
            confidence=round(self._confidence(found), 4),
            suggestions=suggest(asked, found, self._calibration.relevance_of),
        )

    async def find(self, asked: Ground) -> list[Ranked]:
        """Search for a question alone, or in its context when it needs that; best first."""
        in_context = with_context(asked.question, asked.history)
        longest = self._limits.follow_up_words
        if in_context and leans_on(asked.question, longest):
            return await self._search(asked.agent_id, in_context, asked.question)
        alone = await self._search(asked.agent_id, asked.question, asked.question)
        short = len(asked.question.split()) <= longest
        if not in_context or not short or self._confidence(alone) >= SURE:
            return alone
        again = await self._search(asked.agent_id, in_context, asked.question)
        return max(alone, again, key=self._confidence)

    async def _search(self, agent_id: str, question: str, stored: str) -> list[Ranked]:
        """Search for a question; `stored` is it as it was asked, and may be stored."""
        asked = await aside(len(question), without_greeting, question)
        vector = await self._embedder.embed_question(asked or question)
        known = self._embedder.knows(asked) or _has_question_in_latin(asked)
        words = await aside(len(asked), partial(words_of_question, known=known), asked, stored)
        hits = await self._index.search(agent_id, vector, words.searched, self._limits.candidates)
        return await aside(len(asked), ranked, hits, asked or question, words)

    def _confidence(self, found: list[Ranked]) -> float:
        return self._calibration.confidence_in([one.score for one in found])

    def _passages(self, found: list[Ranked]) -> tuple[Passage, ...]:
        scored = ((one.hit, self._calibration.relevance_of(one.score)) for one in found)
        return in_budget(
            _passage(hit, relevance)
            for hit, relevance in scored
            if relevance >= self._limits.min_relevance
        )


def _has_question_in_latin(text: str) -> bool:
    """Tell whether a question in two scripts has enough in the one that models know best."""
    latin, _ = by_script(normal(text))
    return len(latin.split()) >= LATIN_WORDS


def _passage(hit: Hit, relevance: float) -> Passage:
    chunk = hit.chunk
    return Passage(
        source_id=chunk.source_id,
        type=chunk.kind,
        title=chunk.title,
        relevance=round(relevance, 4),
        text=chunk.text,
        question=chunk.question,
        answer=chunk.answer,
        heading=chunk.heading,
        page=chunk.page,
        url=chunk.url,
    )
