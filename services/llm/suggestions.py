"""What may be asked next."""

from libs.contracts.chat import ChatGrounded


def suggestions_of(grounded: ChatGrounded, *, answered: bool) -> tuple[str, ...]:
    """Return what rag suggests, less the question of the passage that `answered` just now.

    Rag leaves out what surely was; whether the best passage was good enough is decided here.
    """
    if not (answered and grounded.passages):
        return grounded.suggestions
    best = max(grounded.passages, key=lambda passage: passage.relevance)
    return tuple(each for each in grounded.suggestions if each != best.question.strip())
