"""What one answer costs, by model, in credits. A failed answer costs nothing."""

from collections.abc import Mapping

from libs.contracts.chat import EXTRACTIVE

DEFAULT_PRICES: Mapping[str, int] = {
    EXTRACTIVE: 1,
    # small
    "gpt-5-nano": 1,
    "gpt-5-mini": 1,
    "gpt-4o-mini": 1,
    "claude-haiku-4-5": 2,
    "gemini-3-flash": 1,
    # middle
    "gpt-5": 5,
    "gpt-5.2": 5,
    "gpt-4o": 5,
    "claude-sonnet-4-5": 8,
    "gemini-3-pro": 8,
    # top
    "gpt-5.2-pro": 20,
    "claude-opus-4-5": 20,
}


def price_of(model: str, overrides: Mapping[str, int], default: int) -> int:
    """Return the credits for one answer: the operator's table, then ours, then the default."""
    if model in overrides:
        return overrides[model]
    return DEFAULT_PRICES.get(model, default)
