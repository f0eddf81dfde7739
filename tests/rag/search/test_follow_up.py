"""Which questions lean on the one before."""

import pytest

from libs.contracts.chat import Exchange
from services.rag.search.follow_up import leans_on, with_context

BEFORE = (
    Exchange(question="When?", answer="…"),
    Exchange(question="Open today?", answer="Yes."),
)


@pytest.mark.parametrize(
    "question",
    [
        "and on Sundays?",
        "Ok thanks, what about tomorrow?",
        "eh sa Cebu po?",
        "does it have a slot for a memory card?",
        "how much po?",
    ],
)
def test_leaning_questions(question: str) -> None:
    """Openers and pronouns tell, in English and Tagalog."""
    assert leans_on(question, longest=16)


@pytest.mark.parametrize(
    "question",
    [
        "how much is the delivery to Cebu?",
        "where are you located?",
        "and one more thing, where can I park?",
        "iba naman po, magkano ang delivery?",
        "and " * 17,
    ],
)
def test_questions_that_stand_alone(question: str) -> None:
    """Whole questions, announced changes of subject and long ones stand alone."""
    assert not leans_on(question, longest=16)


def test_context_is_the_question_before() -> None:
    """The last question is put behind; none without history or after a change of subject."""
    assert with_context("and on Sundays?", BEFORE) == "and on Sundays? (Open today?)"
    assert with_context("and on Sundays?", ()) is None
    assert with_context("another question: parking?", BEFORE) is None
