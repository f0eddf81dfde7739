"""What was answered, and what may be asked next."""

from libs.contracts.chat import ChatGrounded
from libs.contracts.sizes import NAME, cut


def answered_by(grounded: ChatGrounded, *, may_answer: bool) -> str:
    """Return the question of the Q&A that answers; empty when none does, or nothing may."""
    if not (may_answer and grounded.passages):
        return ""
    question = max(grounded.passages, key=lambda passage: passage.relevance).question
    return cut(question.strip(), NAME)


def suggestions_of(grounded: ChatGrounded, answered: str) -> tuple[str, ...]:
    """Return what rag suggests, less the question that was answered just now.

    Rag leaves out what surely was; whether the best passage was good enough is decided here.
    """
    return tuple(question for question in grounded.suggestions if question != answered)
