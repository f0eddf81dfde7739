"""Token estimates without a tokenizer, which would have to be downloaded and differs by model."""

BYTES_PER_TOKEN = 3
"""English has about 4 UTF-8 bytes to a token, Tagalog about 3, Chinese and Japanese 3: so this
counts English a third too high, and hardly any language too low."""


def estimate(text: str) -> int:
    """Return how many tokens a text has at most, roughly."""
    return -(-len(text.encode()) // BYTES_PER_TOKEN)


def cut(text: str, tokens: int) -> str:
    """Return the beginning of a text, whole words, that is estimated at `tokens` at most."""
    if estimate(text) <= tokens:
        return text
    kept = text.encode()[: max(0, tokens) * BYTES_PER_TOKEN].decode(errors="ignore")
    words, space, _ = kept.rpartition(" ")
    return words if space else kept
