"""How much of what was found goes with a question, in bytes as JSON. Pure.

The best passages first, each with as much of its text as a passage may have, until they have all
that there is room for. What is in the index may be of an older release, and larger than ours.
"""

from collections.abc import Iterable

from msgspec.structs import replace

from libs.contracts.chat import Passage
from libs.contracts.sizes import KB, NAME, PASSAGE_TEXT, PASSAGES, cut, size_of, within

WORTH_TAKING = 1 * KB
"""Bytes of text below which a part of a passage says nothing."""
MOST_QUESTION = 8 * KB


def in_budget(passages: Iterable[Passage], most: int = PASSAGES) -> tuple[Passage, ...]:
    """Return the first passages that fit, the last of them cut if need be."""
    return tuple(within(map(_bounded, passages), most, _part))


def _bounded(passage: Passage, most_text: int = PASSAGE_TEXT) -> Passage:
    return replace(
        passage,
        title=cut(passage.title, NAME),
        heading=cut(passage.heading, NAME),
        question=cut(passage.question, min(MOST_QUESTION, most_text)),
        text=cut(passage.text, most_text),
        answer=cut(passage.answer, most_text),
    )


def _part(passage: Passage, room: int) -> Passage | None:
    """Return as much of a passage as there is room for, None when that is not worth it."""
    around = size_of(_bounded(passage, 0))
    question = min(size_of(passage.question), MOST_QUESTION) if passage.question else 0
    texts = 2 if passage.answer else 1
    each = (room - around - question) // texts
    return _bounded(passage, each) if each >= max(WORTH_TAKING, question) else None
