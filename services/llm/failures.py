"""The ways in which an answer fails, and what its client is told.

`Failed.detail` is for the log: it names the circumstance, never what the model server said, which
may repeat the prompt or the key. `words` are the server's own, for `alonchat doctor` alone.
"""

from typing import Literal

FailureCode = Literal[
    "upstream_timeout",
    "upstream_error",
    "upstream_overloaded",
    "upstream_refused",
    "upstream_rejected",
    "upstream_quota_exceeded",
    "context_length_exceeded",
    "max_tokens_reached",
    "model_unavailable",
    "internal_error",
]

MESSAGES: dict[FailureCode, str] = {
    "upstream_timeout": "The model took too long to answer.",
    "upstream_error": "The model failed while it answered.",
    "upstream_overloaded": "The model is overloaded. Try again in a moment.",
    "upstream_refused": "The model refused to answer this message.",
    "upstream_rejected": "The model server does not accept this request.",
    "upstream_quota_exceeded": "The quota of the agent's model is used up.",
    "context_length_exceeded": "The message and its context are longer than the model can read.",
    "max_tokens_reached": "The model reached its limit of tokens (max_tokens) before its answer.",
    "model_unavailable": "The agent's model is not available on this server.",
    "internal_error": "The answer could not be completed.",
}


class Failed(Exception):
    """An answer that can't be given, or not to its end.

    `retry_after`: seconds that the model server asks to wait. `message` is for the client.
    """

    def __init__(
        self,
        code: FailureCode,
        detail: str,
        *,
        retry_after: float | None = None,
        message: str = "",
        words: str = "",
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.retry_after = retry_after
        self.message = message or MESSAGES[code]
        self.words = words
