"""Text that imitates a model's chat format does so no more; all other text stays as it is."""

# ruff: noqa: RUF001 - the look-alikes are what this is about

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.prompt.inert import inert

TOKENS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|endoftext|>",
    "<|start_header_id|>",
    "<|eot_id|>",
    "<｜User｜>",
    "<start_of_turn>",
    "<end_of_turn>",
    "<s>",
    "</s>",
    "<<SYS>>",
    "<</SYS>>",
    "[INST]",
    "[/INST]",
    "[SYSTEM_PROMPT]",
    "[TOOL_CALLS]",
)
"""Of ChatML, Llama 2 and 3, DeepSeek, Gemma and Mistral."""
DISGUISES = ("\u200b", "\u200d", "\u2060", "\ufeff", "\u00ad", "\U000e0041")
pieces = st.sampled_from([*TOKENS, *DISGUISES, *"<>|[]/＜｜ ", "a", "INST", "po", "\n", "é"])
texts = st.lists(pieces, max_size=30).map("".join)


def seen_by_a_tokenizer(text: str) -> set[str]:
    """Return the control tokens that are in a text once what is invisible is gone."""
    visible = re.sub("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]", "", text)
    visible = visible.replace("＜", "<").replace("｜", "|").lower()
    return {token for token in TOKENS if token.replace("｜", "|").lower() in visible}


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
