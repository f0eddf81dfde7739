"""What subscribers receive: the public JSON of every event, and its JSON Schema.

Separate from events.py on purpose: those change with us, these only grow.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

DIALECT = "https://json-schema.org/draft/2020-12/schema"


Time = Annotated[datetime, msgspec.Meta(tz=True)]
"""In UTC, as RFC 3339 writes it."""


class Payload(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The envelope of every event.

    `id` is the event's: the same in every retry, every replay and for every endpoint. `test` is
    there, and true, in what a test sends.
    """

    event: str
    id: str
    agent_id: str
    timestamp: Time
    data: Any
    test: bool = False


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """The base of what is in `data`."""


class SourcePayload(msgspec.Struct, frozen=True, kw_only=True):
    """A source that an answer is grounded in; `relevance` is between 0 and 1."""

    id: str
    type: str
    title: str
    relevance: float


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Why something failed: `code` for programs, where there is one, `message` for people."""

    code: str = ""
    message: str


class NotePayload(msgspec.Struct, frozen=True, kw_only=True):
    """What was left out of a source: `code` for programs, `message` for people.

    `place` is where it is ("page 3", "sheet Prices"), empty for all of the source.
    """

    code: str
    message: str
    place: str


class ConversationStartedData(Data, frozen=True, kw_only=True):
    """A first message opened a conversation."""

    conversation_id: str


class ConversationEndedData(Data, frozen=True, kw_only=True):
    """Nothing was said in a conversation for a while; a later message takes it up again."""

    conversation_id: str
    reason: Literal["idle"]
    last_message_at: Time


class MessageReceivedData(Data, frozen=True, kw_only=True):
    """A client's message was accepted. `message_id` is the id of the answer to come."""

    conversation_id: str
    message_id: str
    message: str


class MessageSentData(Data, frozen=True, kw_only=True):
    """An answer is complete. The fields are those of the chat response."""

    conversation_id: str
    message_id: str
    message: str
    confidence: float
    model: str
    sources: tuple[SourcePayload, ...]
    credits_used: int
    finish_reason: str


class MessageFailedData(Data, frozen=True, kw_only=True):
    """An accepted message will not be answered; it costs nothing."""

    conversation_id: str
    message_id: str
    error: Problem


class FeedbackReceivedData(Data, frozen=True, kw_only=True):
    """An answer was rated. A later rating of the same answer replaces this one."""

    conversation_id: str
    message_id: str
    rating: Literal["up", "down"]
    comment: str


class CreditsLowData(Data, frozen=True, kw_only=True):
    """The account has fewer credits left than `threshold`. Once until credits are added."""

    account_id: str
    available: int
    threshold: int


class CreditsExhaustedData(Data, frozen=True, kw_only=True):
    """The account can't pay for a message any more. Once until credits are added."""

    account_id: str
    available: int


class SourceReadyData(Data, frozen=True, kw_only=True):
    """A source can be found in answers; `notes` say what of it can't."""

    source_id: str
    chunks: int
    notes: tuple[NotePayload, ...] = ()


class SourceFailedData(Data, frozen=True, kw_only=True):
    """A source could not be indexed; `notes` say what was found on the way."""

    source_id: str
    error: Problem
    notes: tuple[NotePayload, ...] = ()


class WebhookDisabledData(Data, frozen=True, kw_only=True):
    """Another webhook of the agent is not called any more, because it was `gone` or `failing`."""

    webhook_id: str
    name: str
    endpoint_url: str
    reason: Literal["gone", "failing"]
    failing_since: Time | None


DATA: dict[str, type[Data]] = {
    "conversation.started": ConversationStartedData,
    "conversation.ended": ConversationEndedData,
    "message.received": MessageReceivedData,
    "message.sent": MessageSentData,
    "message.failed": MessageFailedData,
    "feedback.received": FeedbackReceivedData,
    "credits.low": CreditsLowData,
    "credits.exhausted": CreditsExhaustedData,
    "source.ready": SourceReadyData,
    "source.failed": SourceFailedData,
    "webhook.disabled": WebhookDisabledData,
}
"""What an endpoint can subscribe to, and the shape of its `data`."""


ACCOUNT_EVENTS = frozenset({"credits.low", "credits.exhausted"})
"""Those that tell of the account's money, not of one agent."""


def schema_of(event: str) -> dict[str, Any]:
    """Return the JSON Schema of the whole body of an event. Raises KeyError for no event."""
    kind = DATA[event]
    (envelope, data), definitions = msgspec.json.schema_components(
        (Payload, kind), ref_template="#/$defs/{name}"
    )
    outer: dict[str, Any] = definitions.pop(envelope["$ref"].rsplit("/", 1)[1])
    properties = outer["properties"] | {"event": {"const": event}, "data": data}
    return outer | {
        "$schema": DIALECT,
        "title": event,
        "description": definitions[kind.__name__]["description"],
        "properties": properties,
        "$defs": definitions,
    }
