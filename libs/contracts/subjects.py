"""Every subject and stream of the bus, and what each guarantees.

chat.requested                       work   api → rag        one worker at a time, redelivered
chat.grounded                        work   rag → llm        the same
chat.replies.<edge>.<message_id>     live   llm, rag → api   kept in memory for REPLIES.max_age
chat.cancelled                       live   api → llm
events.<event>.<id>                  log    all → billing, webhooks, rag, api
webhooks.deliveries.<endpoint_id>    work   webhooks → webhooks
webhooks.replays.<endpoint_id>       work   webhooks → webhooks
sources.submitted                    work   rag → rag
sources.crawl                        work   rag → rag        a queue of its own, see rag/crawl
dead.<subject>                       log    what no worker could handle, for an operator
limits.<whose>.<window>              count  api ⇄ api        counters, see api/edge/limits.py
cache.<kind>                         live   api → api        "forget what you know of this"
<service>.<call>                     call   see Call in calls.py
"""

from dataclasses import dataclass
from typing import Literal

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR

CHAT_REQUESTED = "chat.requested"
CHAT_GROUNDED = "chat.grounded"
CHAT_CANCELLED = "chat.cancelled"
SOURCES_SUBMITTED = "sources.submitted"
SOURCES_CRAWL = "sources.crawl"
CACHE_INVALIDATED = "cache.invalidated"


def chat_reply(edge: str, message_id: str) -> str:
    """Where the frames of one answer go: to the edge that holds the client's connection."""
    return f"chat.replies.{edge}.{message_id}"


def event(name: str, about: str) -> str:
    """Where an event goes; `about` is the id of what it is about."""
    return f"events.{name}.{about}"


def every(event: str) -> str:
    """The subject of all events of a name."""
    return f"events.{event}.*"


def delivery(endpoint_id: str) -> str:
    """Where the webhook deliveries of one endpoint wait."""
    return f"webhooks.deliveries.{endpoint_id}"


def replay(endpoint_id: str) -> str:
    """Where a request to send an endpoint's logged deliveries again waits."""
    return f"webhooks.replays.{endpoint_id}"


def counter(whose: str, window: str, started: int) -> str:
    """Where the requests of an account, or of a visitor, in one rate limit window are counted."""
    return f"limits.{whose}.{window}.{started}"


def dead(subject: str) -> str:
    """Where a message goes that its workers gave up on."""
    return f"dead.{subject}"


@dataclass(frozen=True)
class Stream:
    """A JetStream stream. Ages and windows in seconds; 0 keeps until it is done."""

    name: str
    subjects: tuple[str, ...]
    retention: Literal["work", "log"]
    storage: Literal["file", "memory"] = "file"
    max_age: float = 0.0
    dedupe_window: float = 2 * MINUTE
    counter: bool = False


# The ages are a chain: a request waits at most CHAT.max_age for each worker, billing fails what has
# no outcome after its HOLD_TTL (15 minutes), and the window in which the log accepts only the first
# outcome of a message (see events.py) is longer than both together. In between, after its
# UNANSWERED_AFTER (20 minutes), api looks whether an outcome has reached it.
CHAT = Stream("CHAT", (CHAT_REQUESTED, CHAT_GROUNDED), "work", max_age=10 * MINUTE)
REPLIES = Stream("REPLIES", ("chat.replies.>",), "log", storage="memory", max_age=10 * MINUTE)
EVENTS = Stream("EVENTS", ("events.>",), "log", max_age=3 * DAY, dedupe_window=45 * MINUTE)
DELIVERIES = Stream(
    "DELIVERIES", ("webhooks.deliveries.>", "webhooks.replays.>"), "work", dedupe_window=HOUR
)
SOURCES = Stream("SOURCES", (SOURCES_SUBMITTED, SOURCES_CRAWL), "work")
DEAD = Stream("DEAD", ("dead.>",), "log", max_age=14 * DAY)
LIMITS = Stream("LIMITS", ("limits.>",), "log", max_age=DAY + HOUR, counter=True)

STREAMS = (CHAT, REPLIES, EVENTS, DELIVERIES, SOURCES, DEAD, LIMITS)
