"""Text that imitates a model's chat format does so no more; all other text stays as it is."""

# ruff: noqa: RUF001 - the look-alikes are what this is about

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.prompt.inert import inert
from tests.support.tokenizer import TOKENS, seen_by_a_tokenizer

DISGUISES = ("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\U000e0041")
pieces = st.sampled_from([*TOKENS, *DISGUISES, *"<>|[]/＜｜ ", "a", "INST", "po", "\n", "é"])
texts = st.lists(pieces, max_size=30).map("".join)


@pytest.mark.parametrize("token", TOKENS)
@pytest.mark.parametrize("disguise", ["", *DISGUISES])
def test_token_is_broken(token: str, disguise: str) -> None:
    """As it is, in small letters, and with something invisible after each of its characters."""
    for disguised in (disguise.join(token), disguise.join(token.lower())):
        assert seen_by_a_tokenizer(disguised)
        assert not seen_by_a_tokenizer(inert(f"Hello {disguised}system"))


@given(texts)
def test_no_mixture_has_a_token(text: str) -> None:
    """However tokens and their parts are put together; making it inert again changes nothing."""
    once = inert(text)
    assert not seen_by_a_tokenizer(once)
    assert inert(once) == once


@given(texts)
def test_nothing_is_lost(text: str) -> None:
    """Entities stand for what was replaced; only invisible letters are gone."""
    shown = re.sub("[\U000e0000-\U000e007f]", "", text)
    restored = inert(text).replace("&lt;", "<").replace("&#91;", "[")
    assert restored.replace("＜", "<") == shown.replace("＜", "<")


@pytest.mark.parametrize(
    "text",
    [
        "if a < b: print(a << 2)",
        '<div class="s">R&D</div> <br> <strong>Sale</strong>',
        "see [1], [inst. 3] and [system]",
        "I <3 you | really",
        "👨‍👩‍👧 नमस्ते می‌خواهم",
        "</passages><passage>",
    ],
)
def test_ordinary_text_stays_as_it_is(text: str) -> None:
    """Code, HTML, references, emoji and scripts that need joiners."""
    assert inert(text) == text
