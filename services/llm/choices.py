"""Which models are asked for one answer, and in which order."""

from collections.abc import Iterator
from dataclasses import dataclass

from libs.contracts.chat import ChatRequested
from services.llm.failures import FailureCode

REPLACEABLE: frozenset[FailureCode] = frozenset(
    {
        "upstream_timeout",
        "upstream_error",
        "upstream_overloaded",
        "upstream_rejected",
        "upstream_quota_exceeded",
        "context_length_exceeded",
        "max_tokens_reached",
        "model_unavailable",
    }
)
"""Failures that another model may not have. One that refused has answered."""


@dataclass(frozen=True)
class Choice:
    """A model, what its answer costs, and how many models come after it."""

    model: str
    credits: int
    behind: int = 0


class Choices:
    """The models for one request; `asked` is the one that is asked now, or was last."""

    def __init__(self, request: ChatRequested) -> None:
        first = Choice(request.model, request.credits, len(request.fallbacks))
        others = (
            Choice(fallback.model, fallback.credits, behind)
            for behind, fallback in zip(
                reversed(range(len(request.fallbacks))), request.fallbacks, strict=True
            )
        )
        self._choices = (first, *others)
        self.asked = first

    def __iter__(self) -> Iterator[Choice]:
        for choice in self._choices:
            self.asked = choice
            yield choice
