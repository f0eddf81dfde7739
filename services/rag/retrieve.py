"""Finds the passages for a question among the agent's own chunks, and says how good they are."""

from dataclasses import dataclass

from libs.contracts.chat import Exchange, Ground, Grounded, Passage
from services.rag.confidence import Calibration
from services.rag.embed import Embedder
from services.rag.index.interface import Hit, Index
from services.rag.suggest import LOOK_FURTHER, suggest

SURE = 0.5
"""Below this confidence a short question is tried again in its context."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many passages, from which relevance on, and how long a follow-up may be, in words."""

    top_k: int
    min_relevance: float
    follow_up_words: int


class Retriever:
    """Search and score."""

    def __init__(
        self, embedder: Embedder, index: Index, calibration: Calibration, limits: Limits
    ) -> None:
        self._embedder = embedder
        self._index = index
        self._calibration = calibration
        self._limits = limits

    async def ground(self, asked: Ground) -> Grounded:
        """Return the passages for a question, best first, and the confidence in them."""
        hits = await self._search(asked.agent_id, asked.question)
        if self._confidence(hits) < SURE:
            in_context = with_context(asked.question, asked.history, self._limits.follow_up_words)
            if in_context:
                again = await self._search(asked.agent_id, in_context)
                hits = max(hits, again, key=self._confidence)
        return Grounded(
            passages=self._passages(hits[: self._limits.top_k]),
            confidence=self._confidence(hits),
            suggestions=suggest(asked, hits, self._calibration.relevance_of),
        )

    async def _search(self, agent_id: str, question: str) -> list[Hit]:
        vector = await self._embedder.embed_question(question)
        return await self._index.search(agent_id, vector, self._limits.top_k + LOOK_FURTHER)

    def _confidence(self, hits: list[Hit]) -> float:
        return self._calibration.confidence_in([hit.score for hit in hits])

    def _passages(self, hits: list[Hit]) -> tuple[Passage, ...]:
        scored = ((hit, self._calibration.relevance_of(hit.score)) for hit in hits)
        return tuple(
            _passage(hit, relevance)
            for hit, relevance in scored
            if relevance >= self._limits.min_relevance
        )


def with_context(question: str, history: tuple[Exchange, ...], most_words: int) -> str | None:
    """Return a follow-up such as "and on Sundays?" behind the question that it follows.

    None when there is no question before it, or when it is long enough to stand alone.
    """
    if not history or len(question.split()) > most_words:
        return None
    return f"{history[-1].question} {question}"


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
