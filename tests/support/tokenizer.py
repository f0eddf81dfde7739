"""A text as a tokenizer of a chat model sees it."""

# ruff: noqa: RUF001 - the look-alikes are what this is about

import re

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


def seen_by_a_tokenizer(text: str) -> set[str]:
    """Return the control tokens that are in a text once what is invisible is gone."""
    visible = re.sub("[\u00ad\u200b-\u200f\u2060-\u2064\ufeff\U000e0000-\U000e007f]", "", text)
    visible = visible.replace("＜", "<").replace("｜", "|").lower()
    return {token for token in TOKENS if token.replace("｜", "|").lower() in visible}
