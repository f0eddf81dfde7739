"""The streams of the bus and how long each keeps what is sent; queues.py says what that is.

Besides, two kinds of subjects that are no queues:

dead.<subject>                       what no worker could handle, for an operator
limits.<whose>.<window>.<started>    counters, see api/edge/limits.py
"""

from dataclasses import dataclass
from typing import Literal

MINUTE = 60.0
HOUR = 60 * MINUTE
DAY = 24 * HOUR


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
CHAT = Stream("CHAT", ("chat.requested", "chat.grounded"), "work", max_age=10 * MINUTE)
REPLIES = Stream("REPLIES", ("chat.replies.>",), "log", storage="memory", max_age=10 * MINUTE)
EVENTS = Stream("EVENTS", ("events.>",), "log", max_age=3 * DAY, dedupe_window=45 * MINUTE)
DELIVERIES = Stream(
    "DELIVERIES", ("webhooks.deliveries.>", "webhooks.replays.>"), "work", dedupe_window=HOUR
)
SOURCES = Stream("SOURCES", ("sources.submitted", "sources.crawl"), "work")
DEAD = Stream("DEAD", ("dead.>",), "log", max_age=14 * DAY)
LIMITS = Stream("LIMITS", ("limits.>",), "log", max_age=DAY + HOUR, counter=True)

STREAMS = (CHAT, REPLIES, EVENTS, DELIVERIES, SOURCES, DEAD, LIMITS)
