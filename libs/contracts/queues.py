"""Everything that is sent on the bus without a reply, declared once: queues and topics.

A queue is durable: a stream keeps each message until it is handled (work) or too old (events). A
topic is live: whoever listens right now hears it. Senders and consumers are checked against the
type of the message, and docs/asyncapi.json is made from these declarations.
"""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Generic, TypeVar

from libs.contracts import events
from libs.contracts.accounts import CacheInvalidated
from libs.contracts.chat import ChatCancelled, ChatGrounded, ChatRequested, SourcesFrame, TextFrame
from libs.contracts.sources import SourceCrawl, SourceSubmitted
from libs.contracts.subjects import CHAT, DELIVERIES, EVENTS, SOURCES, Stream
from libs.contracts.webhooks import Delivery, Replay

M = TypeVar("M")
E = TypeVar("E", bound=events.Event)
ANY = "*"
"""In the place of a name in a subject: whatever it is."""
_NAME = re.compile(r"\{(\w+)\}")


def _filled(subject: str, names: Iterable[str]) -> str:
    """Put names in the places of a subject that wait for one, in their order."""
    for name in names:
        subject = _NAME.sub(name, subject, count=1)
    return subject


@dataclass(frozen=True)
class Queue(Generic[M]):
    """Messages of one kind on a stream, each handled once by each service that receives them.

    `subject` has the names of the message's fields in braces that are part of it. `kind` is the
    type of the messages, or their union. `key` names a message: the stream refuses a second one
    with the same key within its window.
    """

    name: str
    stream: Stream
    subject: str
    kind: type[M]
    key: Callable[[M], str]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields of a message that its subject names."""
        return tuple(_NAME.findall(self.subject))

    @cached_property
    def pattern(self) -> str:
        """The subjects of all messages."""
        return _NAME.sub(ANY, self.subject)

    def subject_of(self, message: M) -> str:
        """Return where a message goes."""
        return self.at(*(getattr(message, field) for field in self.fields))

    def at(self, *names: str) -> str:
        """Return where the messages about something go, by its id."""
        return _filled(self.subject, names)

    def durable(self, service: str) -> str:
        """Return the name of the consumer that all processes of a service share."""
        return f"{service}_{self.name.replace('.', '_')}"


@dataclass(frozen=True)
class Topic(Generic[M]):
    """Live messages of one kind: nothing is kept for who does not listen, nothing is confirmed."""

    name: str
    subject: str
    kind: type[M]
    senders: tuple[str, ...]
    receivers: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The subjects to listen to."""
        return _NAME.sub(ANY, self.subject)

    def at(self, *names: str) -> "Topic[M]":
        """Return the topic with these names in the places of its subject that wait for one."""
        return replace(self, subject=_filled(self.subject, names))


CHAT_REQUESTED = Queue(
    name="chat.requested",
    stream=CHAT,
    subject="chat.requested",
    kind=ChatRequested,
    key=lambda request: request.message_id,
    senders=("api",),
    receivers=("rag",),
)
CHAT_GROUNDED = Queue(
    name="chat.grounded",
    stream=CHAT,
    subject="chat.grounded",
    kind=ChatGrounded,
    # Whoever grounded it, and however often: it is one job.
    key=lambda grounded: f"grounded_{grounded.request.message_id}",
    senders=("api", "rag"),
    receivers=("llm",),
)
SOURCES_SUBMITTED = Queue(
    name="sources.submitted",
    stream=SOURCES,
    subject="sources.submitted",
    kind=SourceSubmitted,
    key=lambda job: f"{job.source_id}_{job.change}",
    senders=("rag",),
    receivers=("rag",),
)
SOURCES_CRAWL = Queue(
    name="sources.crawl",
    stream=SOURCES,
    subject="sources.crawl",
    kind=SourceCrawl,
    key=lambda job: f"crawl_{job.number}_{job.source_id}",
    senders=("rag",),
    receivers=("rag",),
)
WEBHOOK_DELIVERIES = Queue(
    name="deliveries",
    stream=DELIVERIES,
    subject="webhooks.deliveries.{endpoint_id}",
    kind=Delivery,
    key=lambda delivery: delivery.key,
    senders=("webhooks",),
    receivers=("webhooks",),
)
WEBHOOK_REPLAYS = Queue(
    name="replays",
    stream=DELIVERIES,
    subject="webhooks.replays.{endpoint_id}",
    kind=Replay,
    key=lambda replay: replay.replay_id,
    senders=("webhooks",),
    receivers=("webhooks",),
)


def _event(
    kind: type[E], about: str, *, senders: tuple[str, ...], receivers: tuple[str, ...] = ()
) -> Queue[E]:
    """Declare an event by what it is about; webhooks receives it too, with EVERY_EVENT."""
    name = events.name_of(kind)
    subject = f"events.{name}.{{{about}}}"
    return Queue(name, EVENTS, subject, kind, events.id_of, senders, receivers)


CONVERSATION_STARTED = _event(events.ConversationStarted, "conversation_id", senders=("api",))
CONVERSATION_ENDED = _event(events.ConversationEnded, "conversation_id", senders=("api",))
MESSAGE_RECEIVED = _event(events.MessageReceived, "message_id", senders=("api",))
MESSAGE_SENT = _event(
    events.MessageSent, "message_id", senders=("api", "llm"), receivers=("api", "billing")
)
MESSAGE_FAILED = _event(
    events.MessageFailed,
    "message_id",
    senders=("api", "billing", "llm", "rag"),
    receivers=("api", "billing"),
)
FEEDBACK_RECEIVED = _event(events.FeedbackReceived, "message_id", senders=("api",))
AGENT_DELETED = _event(events.AgentDeleted, "agent_id", senders=("api",), receivers=("api", "rag"))
SOURCE_READY = _event(events.SourceReady, "source_id", senders=("rag",))
SOURCE_FAILED = _event(events.SourceFailed, "source_id", senders=("rag",))
CREDITS_LOW = _event(events.CreditsLow, "account_id", senders=("billing",))
CREDITS_EXHAUSTED = _event(events.CreditsExhausted, "account_id", senders=("billing",))
WEBHOOK_DISABLED = _event(events.WebhookDisabled, "endpoint_id", senders=("webhooks",))

EVENT_QUEUES: dict[type[events.Event], Queue[Any]] = {
    queue.kind: queue
    for queue in (
        CONVERSATION_STARTED,
        CONVERSATION_ENDED,
        MESSAGE_RECEIVED,
        MESSAGE_SENT,
        MESSAGE_FAILED,
        FEEDBACK_RECEIVED,
        AGENT_DELETED,
        SOURCE_READY,
        SOURCE_FAILED,
        CREDITS_LOW,
        CREDITS_EXHAUSTED,
        WEBHOOK_DISABLED,
    )
}
"""The queue of each event, by its type."""
_every: Any = events.AnyEvent
EVERY_EVENT: Queue[events.AnyEvent] = Queue(
    "events", EVENTS, "events.>", _every, events.id_of, (), ("webhooks",)
)
"""All events in their order; each is sent on the queue of its own."""

WORK: tuple[Queue[Any], ...] = (
    CHAT_REQUESTED,
    CHAT_GROUNDED,
    SOURCES_SUBMITTED,
    SOURCES_CRAWL,
    WEBHOOK_DELIVERIES,
    WEBHOOK_REPLAYS,
)
QUEUES: tuple[Queue[Any], ...] = (*WORK, *EVENT_QUEUES.values(), EVERY_EVENT)

AnyReply = SourcesFrame | TextFrame | events.MessageSent | events.MessageFailed
"""What comes back to the edge for one message.

From a worker: SourcesFrame, then TextFrames as the text comes. Last, from the api process that has
stored it: the outcome as it is on the event log. So an end is only announced when it is stored.
"""
_reply: Any = AnyReply
CHAT_REPLIES: Topic[AnyReply] = Topic(
    "chat.replies", "chat.replies.{edge}.{message_id}", _reply, ("llm", "api"), ("api",)
)
"""An answer on its way to the edge that holds the client's connection: by edge and message id.

The stream REPLIES keeps them in memory for a reader that comes back.
"""
CHAT_CANCELLED = Topic("chat.cancelled", "chat.cancelled", ChatCancelled, ("api",), ("llm",))
CACHE_INVALIDATED = Topic(
    "cache.invalidated",
    "cache.invalidated",
    CacheInvalidated,
    ("api", "webhooks"),
    ("api", "webhooks"),
)

TOPICS: tuple[Topic[Any], ...] = (CHAT_REPLIES, CHAT_CANCELLED, CACHE_INVALIDATED)
