"""English for Tagalog words."""

import pytest

from libs.language.glossary import in_english


@pytest.mark.parametrize(
    ("tagalog", "english"),
    [
        ("kailan kayo bukas?", "when you open?"),
        ("Magkano po ang delivery?", "how much the delivery?"),
        ("Nagde-deliver ba kayo?", "deliver you?"),
        ("PAANO magbayad", "how pay"),
    ],
)
def test_words_are_replaced(tagalog: str, english: str) -> None:
    """Known words become English whatever their case; polite particles go."""
    assert in_english(tagalog) == english


@pytest.mark.parametrize(
    "text",
    [
        "Hello, what are your business hours?",
        "May I order pasta at 9 AM, or is it too late?",
        "Do you have peso-denominated gift cards (₱500)?",
    ],
)
def test_english_stays_as_it_is(text: str) -> None:
    """No English word of a question is taken for Tagalog."""
    assert in_english(text) == text
