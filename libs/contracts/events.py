"""What has happened, on the event log: at least once, in order, kept for EVENTS.max_age.

A chat message has one outcome, MessageSent or MessageFailed. Both are published with the same
de-duplication id (`outcome_id`), so the log itself takes the first and refuses every other,
whoever else tries: a second worker after a take-over, a sweeper, a retry.
"""

from datetime import datetime
from typing import Literal

from libs.contracts.chat import ChatRequested, SourceUsed
from libs.contracts.message import Message
from libs.contracts.sources import Note


class Event(Message, frozen=True, kw_only=True):
    """The base of all events. `event_id` is unique and stays the same through every redelivery."""

    event_id: str
    account_id: str
    agent_id: str
    at: datetime


class ConversationStarted(Event, frozen=True, kw_only=True, tag="conversation.started.v1"):
    """A first message opened a conversation."""

    conversation_id: str


class MessageReceived(Event, frozen=True, kw_only=True, tag="message.received.v1"):
    """A client's message was accepted and stored. `message_id` is the id of its answer to come."""

    message_id: str
    conversation_id: str
    message: str


class MessageSent(Event, frozen=True, kw_only=True, tag="message.sent.v1"):
    """An answer is complete.

    `model` is the one that answered, `credits` what it costs. `edge` waits for it, if it still
    lives. `answered` as in chat.Exchange.
    """

    message_id: str
    conversation_id: str
    question: str = ""
    message: str
    model: str
    credits: int
    confidence: float
    sources: tuple[SourceUsed, ...]
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    edge: str = ""
    suggestions: tuple[str, ...] = ()
    answered: str = ""


class MessageFailed(Event, frozen=True, kw_only=True, omit_defaults=True, tag="message.failed.v1"):
    """An accepted message will not be answered; it costs nothing. `edge` as in MessageSent.

    `text` is what there was of the answer, and shown to the client. `retry_after`: seconds to wait,
    when somebody said how many.
    """

    message_id: str
    conversation_id: str
    code: str
    message: str
    edge: str = ""
    text: str = ""
    retry_after: float | None = None


class ConversationEnded(Event, frozen=True, kw_only=True, tag="conversation.ended.v1"):
    """Nothing was said for CONVERSATION_IDLE_SECONDS after `last_message_at`."""

    conversation_id: str
    last_message_at: datetime


class FeedbackReceived(Event, frozen=True, kw_only=True, tag="feedback.received.v1"):
    """Somebody rated an answer, or changed the rating; the newest one counts."""

    message_id: str
    conversation_id: str
    rating: Literal["up", "down"]
    comment: str = ""


class CreditsLow(Event, frozen=True, kw_only=True, tag="credits.low.v1"):
    """An account's credits fell below `threshold`. It is about all agents of the account.

    `agent_id` is the agent whose answer was paid last.
    """

    available: int
    threshold: int


class CreditsExhausted(Event, frozen=True, kw_only=True, tag="credits.exhausted.v1"):
    """An account's credits are used up, or too few for a message. Otherwise as CreditsLow."""

    available: int


class WebhookDisabled(Event, frozen=True, kw_only=True, tag="webhook.disabled.v1"):
    """An endpoint is not called any more: it answered 410, or failed for too long."""

    endpoint_id: str
    name: str
    endpoint_url: str
    reason: Literal["gone", "failing"]
    failing_since: datetime | None = None


class AgentDeleted(Event, frozen=True, kw_only=True, tag="agent.deleted.v1"):
    """An agent is gone; whoever owns something of it removes it."""


class SourceReady(Event, frozen=True, kw_only=True, tag="source.ready.v1"):
    """A source can be found in answers; `notes` say what of it can't."""

    source_id: str
    chunks: int
    notes: tuple[Note, ...] = ()


class SourceFailed(Event, frozen=True, kw_only=True, tag="source.failed.v1"):
    """A source could not be indexed; `message` says why, `notes` what was found on the way."""

    source_id: str
    message: str
    notes: tuple[Note, ...] = ()


Outcome = MessageSent | MessageFailed
"""How a chat message ends."""

AnyEvent = (
    ConversationStarted
    | MessageReceived
    | MessageSent
    | MessageFailed
    | AgentDeleted
    | SourceReady
    | SourceFailed
    | ConversationEnded
    | FeedbackReceived
    | CreditsLow
    | CreditsExhausted
    | WebhookDisabled
)


def name_of(kind: type[Event]) -> str:
    """The public name of an event: its tag without the version, such as `message.sent`."""
    return str(kind.__struct_config__.tag).rsplit(".", 1)[0]


def id_of(event: Event) -> str:
    """The id of an event, under which the log takes it once."""
    return event.event_id


def outcome_id(message_id: str) -> str:
    """The event id that MessageSent and MessageFailed of one message share."""
    return f"evt_outcome_{message_id}"


def failure_of(
    request: ChatRequested,
    code: str,
    message: str,
    *,
    at: datetime,
    text: str = "",
    retry_after: float | None = None,
) -> MessageFailed:
    """Return the outcome of a request that can't be answered; the rest as in MessageFailed."""
    return MessageFailed(
        event_id=outcome_id(request.message_id),
        account_id=request.account_id,
        agent_id=request.agent.id,
        at=at,
        message_id=request.message_id,
        conversation_id=request.conversation_id,
        code=code,
        message=message,
        edge=request.edge,
        text=text,
        retry_after=retry_after,
    )
