"""Greetings in front of a question."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.language.greeting import without_greeting


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("Hello, what are your hours?", "what are your hours?"),
        ("hi po! good morning, open kayo?", "open kayo?"),
        ("Magandang hapon po, magkano?", "magkano?"),
        ("Good afternoon ma'am - may stock pa?", "may stock pa?"),
        ("HELLO", ""),
        ("hello po", ""),
        ("Hey there", ""),
    ],
)
def test_a_greeting_is_taken_off(text: str, question: str) -> None:
    """Whoever is greeted, and however often."""
    assert without_greeting(text) == question


@pytest.mark.parametrize(
    "text",
    [
        "What is hello@shop.example?",
        "high chairs?",
        "Hinatuan ferry",
        "Good mornings cafe, open?",
        "hire a boat",
        "yoga class",
        "goods damaged",
        "is the good morning package still there?",
    ],
)
def test_a_question_stays_whole(text: str) -> None:
    """Words that begin like a greeting are none, and one in the middle is asked about."""
    assert without_greeting(text) == text


@given(st.text())
def test_what_is_left_is_the_end_of_it(text: str) -> None:
    """Nothing but the beginning ever goes."""
    assert text.endswith(without_greeting(text))
