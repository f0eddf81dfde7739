"""Cutting to a budget of bytes: never more, never needlessly less, never half a character."""

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.message import decode, encode
from libs.contracts.sizes import (
    ANSWER,
    HISTORY,
    MESSAGE,
    PASSAGES,
    QUESTION,
    SOURCES,
    cut,
    size_of,
    within,
)

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from('\x00\x01\x1f\x7f"\\\n\t/é₱กஅ🙂\u2028'), st.characters(codec="utf-8")
    ),
    max_size=60,
)


@given(TEXTS, st.integers(0, 200))
def test_a_text_is_cut_as_late_as_possible(text: str, most: int) -> None:
    """What is left is its beginning and fits; one character more would not."""
    found = cut(text, most)
    assert text.startswith(found)
    assert len(encode(found)) - 2 <= most
    if found != text:
        assert len(encode(text[: len(found) + 1])) - 2 > most
    assert decode(encode(found), str) == found


@given(st.lists(TEXTS, max_size=20), st.integers(0, 300))
def test_a_list_is_ended_in_time(items: list[str], most: int) -> None:
    """The items are the first ones, and all together fit."""
    found = list(within(items, most, lambda _item, _room: None))
    assert found == items[: len(found)]
    assert size_of(found) <= most + 2
    if len(found) < len(items):
        assert size_of(items[: len(found) + 1]) > most


def test_the_parts_fit_into_a_message_together() -> None:
    """With a fourth of it to spare, for what is around them and what is added one day."""
    agent = 64 * 1024
    assert QUESTION + agent + HISTORY + PASSAGES < MESSAGE * 3 / 4
    assert QUESTION + ANSWER + SOURCES < MESSAGE * 3 / 4
    assert 2 * ANSWER <= MESSAGE * 3 / 4
