"""The ways in which an answer fails, and what its client is told.

`Failed.detail` is for the log: it names the circumstance, never what the model server said, which
may repeat the prompt or the key.
"""

from typing import Literal

FailureCode = Literal[
    "upstream_timeout",
    "upstream_error",
    "upstream_overloaded",
    "upstream_refused",
    "model_unavailable",
    "internal_error",
]

MESSAGES: dict[FailureCode, str] = {
    "upstream_timeout": "The model took too long to answer.",
    "upstream_error": "The model failed while it answered.",
    "upstream_overloaded": "The model is overloaded. Try again in a moment.",
    "upstream_refused": "The model refused to answer this message.",
    "model_unavailable": "The agent's model is not available on this server.",
    "internal_error": "The answer could not be completed.",
}


class Failed(Exception):
    """An answer that can't be given, or not to its end."""

    def __init__(self, code: FailureCode, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail

    @property
    def message(self) -> str:
        """The sentence for the client."""
        return MESSAGES[self.code]
