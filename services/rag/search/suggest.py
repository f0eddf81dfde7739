"""Which of the agent's own questions to suggest next: those that were found beside the passages.

Nothing is searched for them: what is near a question without answering it is what people ask next.
"""

import re
from collections.abc import Callable, Iterable, Iterator

from libs.contracts.chat import Ground
from services.rag.index.interface import Chunk
from services.rag.search.rank import Ranked

ANSWERED = 0.5
"""A question of at least this relevance was answered just now."""
LONGEST = 200
"""Characters; a longer question is nothing to click on."""
_WORD = re.compile(r"\w+")


def suggest(
    asked: Ground, ranked: Iterable[Ranked], relevance_of: Callable[[float], float]
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
    for chunk in _open_questions(ranked, relevance_of):
        question = chunk.question.strip()
        if _plain(question) not in seen:
            found.append(question)
            seen.add(_plain(question))
    return tuple(found[: asked.suggestions])


def _open_questions(
    ranked: Iterable[Ranked], relevance_of: Callable[[float], float]
) -> Iterator[Chunk]:
    for one in ranked:
        chunk = one.hit.chunk
        if 0 < len(chunk.question) <= LONGEST and relevance_of(one.score) < ANSWERED:
            yield chunk


def _plain(question: str) -> str:
    """Return what makes two questions the same: their words."""
    return " ".join(_WORD.findall(question.casefold()))
