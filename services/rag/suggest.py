"""Which of the agent's own questions to suggest next: those that were found beside the passages.

Nothing is searched for them. The one search of a question looks a little further than the passages
go, and what is near it there is what people ask next.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from libs.contracts.chat import Ground
from services.rag.index.interface import Hit

LOOK_FURTHER = 8
"""Chunks behind those for the passages."""
ANSWERED = 0.5
"""A question of at least this relevance was answered just now."""
LONGEST = 200
"""Characters; a longer question is nothing to click on."""


def suggest(
    asked: Ground, hits: Iterable[Hit], relevance_of: Callable[[float], float]
) -> tuple[str, ...]:
    """Return up to `asked.suggestions` questions of Q&A, nearest first, each once.

    Left out are those that this question, or an earlier one of the conversation, was about: asked
    in these words, or answered by that Q&A.
    """
    if not asked.suggestions:
        return ()
    past = (text for each in asked.history for text in (each.question, each.answered))
    seen = {_plain(question) for question in (asked.question, *past)}
    found: list[str] = []
    for hit in _open_questions(hits, relevance_of):
        question = hit.chunk.question.strip()
        if _plain(question) not in seen:
            found.append(question)
            seen.add(_plain(question))
    return tuple(found[: asked.suggestions])


def _open_questions(hits: Iterable[Hit], relevance_of: Callable[[float], float]) -> Iterator[Hit]:
    for hit in hits:
        if 0 < len(hit.chunk.question) <= LONGEST and relevance_of(hit.score) < ANSWERED:
            yield hit


def _plain(question: str) -> str:
    """Return what makes two questions the same: their words."""
    return " ".join(re.findall(r"\w+", question.casefold()))
