"""What the llm service can be told."""

from typing import Literal

from pydantic import Field, SecretStr, field_validator

from libs.runtime.server_url import is_near, server_key, server_url
from libs.runtime.settings import Settings


class ModelServerSettings(Settings):
    """The model server, and how long it may take."""

    llm_base_url: str = Field(
        "", description="Base URL of an OpenAI-compatible server, such as http://localhost:11434/v1"
    )
    llm_api_key: SecretStr = Field(
        SecretStr(""), description="Key for that server; alone, it means OpenAI's own server"
    )
    llm_max_tokens_parameter: Literal["max_completion_tokens", "max_tokens"] = Field(
        "max_completion_tokens", description="The request field for it; older servers know the 2nd"
    )
    llm_connect_timeout: float = Field(
        5.0, gt=0, description="Seconds to connect to the model server"
    )
    llm_first_token_timeout: float | None = Field(
        None,
        gt=0,
        description="Seconds without a sign of life before the first text, retries and fallbacks "
        "included; unset: 60, and 180 for a server on this machine or in a private network",
    )
    llm_token_timeout: float = Field(
        30.0, gt=0, description="Seconds without a sign of life between two pieces of text"
    )
    llm_total_timeout: float | None = Field(
        None,
        gt=0,
        description="Seconds for the whole answer; unset: 120, and 270 for a server on this "
        "machine or in a private network",
    )
    llm_retries: int = Field(
        2, ge=0, description="Further tries when the server refuses the request for now"
    )
    llm_longest_retry_after: float = Field(
        3600.0, gt=0, description="Most seconds of a model server's Retry-After that are passed on"
    )

    @field_validator("llm_base_url", mode="before")
    @classmethod
    def _checked_url(cls, value: object) -> object:
        return server_url(value, "chat/completions") if isinstance(value, str) else value

    @field_validator("llm_api_key", mode="before")
    @classmethod
    def _checked_key(cls, value: object) -> object:
        return server_key(value) if isinstance(value, str) else value

    @property
    def first_token_timeout(self) -> float:
        """Seconds; a model that has to be loaded first, or thinks on a CPU, takes its time."""
        return self.llm_first_token_timeout or (180.0 if self._near else 60.0)

    @property
    def total_timeout(self) -> float:
        """Seconds; less than the edge waits (ANSWER_TIMEOUT)."""
        return self.llm_total_timeout or (270.0 if self._near else 120.0)

    @property
    def _near(self) -> bool:
        return is_near(self.llm_base_url)


class AnswerTextSettings(Settings):
    """What an answer is made from, and what it may be."""

    llm_prompt_tokens: int = Field(
        6000, ge=200, description="Estimated tokens that a prompt may have"
    )
    llm_max_tokens: int = Field(1024, ge=1, description="Most tokens that an answer may have")
    # An answer travels in one event, so it also ends at sizes.ANSWER bytes as JSON.
    llm_max_characters: int = Field(
        100_000, ge=1, le=150_000, description="Characters at which an answer is ended"
    )
    llm_hide_thoughts: bool = Field(
        True, description="Leave out what a model writes between <think> tags and their kin"
    )
    answer_threshold: float = Field(
        0.5, ge=0, le=1, description="Confidence below which the sources are held not to answer"
    )
    no_answer_text: str = Field(
        "I'm sorry, I don't know the answer to that. I could not find it in my sources.",
        min_length=1,
        description="What an agent without such a text of its own says then",
    )


class WorkerSettings(Settings):
    """How much at once."""

    llm_concurrency: int = Field(
        500, ge=1, description="Answers that one process works on at once; the rest wait in line"
    )
    llm_pieces_per_second: float = Field(
        5000.0, gt=0, description="Pieces of text that one process sends; more are joined"
    )


class LlmSettings(ModelServerSettings, AnswerTextSettings, WorkerSettings):
    """All settings of llm."""
