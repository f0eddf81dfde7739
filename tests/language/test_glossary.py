"""English for Tagalog words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.language.glossary import in_english
from libs.language.tagalog import roots


@pytest.mark.parametrize(
    ("tagalog", "english"),
    [
        ("kailan kayo bukas?", "when you open?"),
        ("Magkano po ang delivery?", "how much the delivery?"),
        ("Nagde-deliver ba kayo?", "deliver you?"),
        ("PAANO magbayad", "how pay"),
        ("may kwarto pa po ba", "have room"),
        ("pwede i-refund ang order", "can refund the order"),
        ("hm po dp", "how much down payment"),
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


@pytest.mark.parametrize(
    ("inflected", "root"),
    [
        ("nagbabayad", "bayad"),
        ("bayaran", "bayad"),
        ("ipambayad", "bayad"),
        ("binabayaran", "bayad"),
        ("mamili", "bili"),
        ("bumibili", "bili"),
        ("ayusin", "ayos"),
        ("pinakamalapit", "lapit"),
        ("magtatrabaho", "trabaho"),
        ("nagde-deliver", "deliver"),
        ("magandang", "maganda"),
    ],
)
def test_inflected_words_lead_to_their_root(inflected: str, root: str) -> None:
    """Affixes before, within and behind the root and repeated syllables come off."""
    assert root in list(roots(inflected))


@given(st.text(alphabet="abdeghiklmnoprstuy-", max_size=60))
def test_any_word_ends(word: str) -> None:
    """Whatever is typed has finitely many roots, all of them shorter, none empty."""
    found = list(roots(word))
    assert all(0 < len(root) <= len(word) for root in found)
    assert len(found) == len(set(found))


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """Nothing that can be typed is an error."""
    assert isinstance(in_english(text), str)
