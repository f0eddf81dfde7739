"""Settings of the api service."""

from pydantic import Field

from libs.contracts import sizes
from libs.runtime.settings import Settings


class ListenSettings(Settings):
    """Where it listens, and how it stops."""

    host: str = Field("127.0.0.1", description="Address to listen on")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on")
    trusted_proxies: str = Field(
        "127.0.0.1",
        description="Proxies whose X-Forwarded-For is believed: addresses, networks, or *",
    )
    drain_timeout: float = Field(
        20.0, ge=0, description="Seconds that open answers get to finish when the process stops"
    )
    readiness_seconds: float = Field(
        0.5, ge=0, description="Seconds that one answer of /readyz is given to all who ask"
    )


class DefaultModelSettings(Settings):
    """The model of agents that name none."""

    llm_base_url: str = Field("", description="OpenAI-compatible server; unset: extractive answers")
    llm_api_key: str = Field("", description="Key for that server; set alone it means OpenAI's own")
    llm_model: str = Field("gpt-5.2", description="Model of agents that name none")


class RequestSettings(Settings):
    """Connections and requests."""

    max_header_bytes: int = Field(
        32 * 1024, ge=1024, description="Most bytes of all request headers together"
    )
    max_headers: int = Field(100, ge=10, description="Most headers of a request")
    max_url_bytes: int = Field(
        4 * 1024, ge=512, description="Most bytes of a request's first line, which has its address"
    )
    request_timeout: float = Field(
        30.0,
        gt=0,
        description="Seconds that a client gets to send the headers of a request, and then for "
        "every MIN_BODY_RATE times as many bytes of its body",
    )
    min_body_rate: float = Field(
        1_000.0, ge=0, description="Bytes a second of a body below which the request is a 408"
    )
    max_connections_per_address: int = Field(
        1_000,
        ge=1,
        description="Most connections to one process of an address, or IPv6 network of 64 bits; "
        "those of TRUSTED_PROXIES are not counted",
    )
    keep_alive_timeout: int = Field(
        150,
        ge=1,
        description="Seconds that a connection without a request stays open; longer than a proxy "
        "keeps its own, which would otherwise send a request into one that is just closing",
    )
    client_timeout: float = Field(
        60.0,
        gt=0,
        description="Seconds after which a client that takes nothing of what it is sent is let go",
    )
    max_body_bytes: int = Field(64 * 1024, ge=1024, description="Largest request body")
    max_source_bytes: int = Field(
        512 * 1024, ge=1024, description="Largest body of a request that adds a source"
    )
    max_upload_bytes: int = Field(
        25 * 1024 * 1024, ge=1024, description="Largest body of a request that uploads a file"
    )


class RateLimitSettings(Settings):
    """Rate limits, beside those of an account's plan."""

    visitor_requests_per_minute: int = Field(
        20, ge=1, description="Requests a minute of one visitor with a publishable key"
    )
    address_requests_per_minute: int = Field(
        100, ge=1, description="The same for all visitors together that share an address"
    )
    publishable_share: float = Field(
        0.8,
        gt=0,
        le=1,
        description="Share of an account's requests a minute and a day that its publishable keys "
        "may use up, all together: visitors can't lock its servers out",
    )
    creations_per_hour: int = Field(
        1_000, ge=1, description="Agents, keys and webhooks that an account may make in an hour"
    )
    refusals_at_once: int = Field(
        20,
        ge=1,
        description="Requests of one key or address that are refused at once; further ones, until "
        "a second has passed without any, wait for a second each",
    )


class ConversationSettings(Settings):
    """Messages and conversations."""

    max_message_chars: int = Field(
        8_000, ge=1, description="Longest message, after trimming, in characters"
    )
    max_comment_chars: int = Field(
        2_000, ge=0, description="Longest comment of a rating, in characters"
    )
    max_metadata_bytes: int = Field(16 * 1024, ge=0, description="Largest metadata, as JSON")
    max_metadata_keys: int = Field(50, ge=0, description="Most keys in metadata")
    history_turns: int = Field(
        10, ge=0, le=20, description="Most earlier questions and answers that a request carries"
    )
    history_bytes: int = Field(
        128 * 1024,
        ge=8 * 1024,
        le=sizes.HISTORY,
        description="Most bytes of them, as JSON; of a very long answer the beginning",
    )
    max_conversation_messages: int = Field(
        1_000, ge=2, description="Most messages in one response of a conversation"
    )
    max_response_bytes: int = Field(
        4 * 1024 * 1024,
        ge=64 * 1024,
        description="Bytes, as JSON, at which a page of messages, conversations or agents ends",
    )
    conversation_idle_seconds: float = Field(
        1800.0,
        ge=0,
        description="Seconds without a message after which a conversation has ended, 0: never",
    )
    conversation_sweep_interval: float = Field(
        60.0, gt=0, description="Seconds between two searches for conversations that have ended"
    )


class AnswerSettings(Settings):
    """How long an answer is waited for."""

    answer_timeout: float = Field(
        300.0, gt=0, description="Seconds after which the edge stops waiting for an answer"
    )
    heartbeat_interval: float = Field(
        5.0,
        gt=0,
        description="Seconds of silence after which a stream gets a comment and the edge looks for "
        "frames that were lost",
    )
    unanswered_after: float = Field(
        1200.0,
        gt=0,
        description="Seconds after which a message without a stored answer gets its outcome from "
        "the event log, or fails; longer than HOLD_TTL, which fails it before",
    )
    unanswered_sweep_interval: float = Field(
        60.0, gt=0, description="Seconds between two searches for messages without an answer"
    )


class OverloadSettings(Settings):
    """Room for answers, and each account's share of it."""

    max_open_answers: int = Field(
        4_000, ge=1, description="Most answers that one process has open; one more is a 503"
    )
    answers_per_account: int = Field(
        2_000, ge=1, description="Of these, most of one account: the others find room"
    )
    max_waiting_questions: int = Field(
        4_000, ge=1, description="Questions in line for the workers at which a new one is a 503"
    )
    waiting_per_account: int = Field(
        2_000, ge=1, description="Of these, most that one process has put there for one account"
    )
    accepting_per_account: int = Field(
        4,
        ge=1,
        description="Messages of one account that one process accepts at the same time when other "
        "accounts are there; more wait for their turn, so that a burst delays nobody else",
    )
    changes_per_account: int = Field(
        1,
        ge=1,
        description="Requests of one account that change something (other than messages and files) "
        "at the same time in one process when other accounts are there; more wait for their turn",
    )
    uploads_per_account: int = Field(
        4, ge=1, description="Files of one account that one process takes in at the same time"
    )
    max_grounding_ahead: int = Field(
        16,
        ge=0,
        description="Messages that one process has grounded while it accepts them; more wait in "
        "the queue of rag",
    )


class OwnershipSettings(Settings):
    """What an account or an agent may have."""

    agents_per_account: int = Field(1_000, ge=1, description="Most agents of an account")
    keys_per_agent: int = Field(20, ge=1, description="Most active keys of an agent")
    origins_per_key: int = Field(50, ge=1, description="Most allowed origins of a publishable key")


class CacheSettings(Settings):
    """What it remembers of keys and agents."""

    cache_ttl: float = Field(
        30.0, gt=0, description="Seconds that keys and agents are remembered; changes are broadcast"
    )
    cache_size: int = Field(10_000, ge=1, description="Most keys, and most agents, remembered")
    key_usage_interval: float = Field(
        5.0, gt=0, description="Seconds between two writes of the keys' last use"
    )


class ApiSettings(
    ListenSettings,
    DefaultModelSettings,
    RequestSettings,
    RateLimitSettings,
    ConversationSettings,
    AnswerSettings,
    OverloadSettings,
    OwnershipSettings,
    CacheSettings,
):
    """All settings of api."""

    @property
    def llm_configured(self) -> bool:
        """Whether answers come from a model."""
        return bool(self.llm_base_url.strip() or self.llm_api_key.strip())
