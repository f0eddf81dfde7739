"""The outcome of a message, for the event log.

The log takes the first outcome of a message and refuses every other (libs/contracts/events.py).
"""

from datetime import datetime, timedelta

from msgspec.structs import replace
from stamina import retry_context

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.contracts.chat import CANCELLED, ChatGrounded
from libs.contracts.events import MessageFailed, MessageSent, Outcome, failure_of, outcome_id
from libs.contracts.subjects import CHAT
from libs.runtime.clock import now
from services.llm.choices import Choice
from services.llm.failures import Failed
from services.llm.generate import Generation
from services.llm.interface import Ending
from services.llm.reply.sources import sources_of
from services.llm.reply.suggestions import suggestions_of

POINTLESS_AFTER = timedelta(seconds=2 * CHAT.max_age)
"""After the request: it waited for rag and for llm as long as it could, and billing failed it."""


def sent(
    grounded: ChatGrounded, answer: Generation, choice: Choice, answered: str = ""
) -> MessageSent:
    """Return the outcome of a complete answer of a model; `answered` as in chat.Exchange."""
    request = grounded.request
    return MessageSent(
        event_id=outcome_id(request.message_id),
        account_id=request.account_id,
        agent_id=request.agent.id,
        at=now(),
        message_id=request.message_id,
        conversation_id=request.conversation_id,
        question=request.question,
        message=answer.text,
        model=choice.model,
        credits=choice.credits,
        confidence=grounded.confidence,
        sources=sources_of(grounded.passages),
        finish_reason=answer.ending.finish_reason,
        prompt_tokens=answer.ending.prompt_tokens,
        completion_tokens=answer.ending.completion_tokens,
        edge=request.edge,
        suggestions=suggestions_of(grounded, answered),
        answered=answered,
    )


def cancelled(grounded: ChatGrounded, text: str, choice: Choice) -> MessageSent:
    """Return the outcome of an answer that was stopped. It costs nothing when no text had come."""
    ended = sent(grounded, Generation(text, Ending(finish_reason=CANCELLED)), choice)
    return replace(ended, suggestions=(), credits=ended.credits if text else 0)


def failed(grounded: ChatGrounded, failure: Failed, text: str = "") -> MessageFailed:
    """Return the outcome of an answer that failed; `text` is what there was of it."""
    return failure_of(
        grounded.request,
        failure.code,
        failure.message,
        at=now(),
        text=text,
        retry_after=failure.retry_after,
    )


async def log_outcome(bus: Bus, outcome: Outcome, requested_at: datetime) -> None:
    """Put the outcome on the log unless one is there, trying while it makes a difference.

    It was paid for, so an outage is waited out; raises ServiceUnavailable when that takes longer
    than anybody waits for the message. Raises Refused when the log does not take it.
    """
    left = (requested_at + POINTLESS_AFTER - now()).total_seconds()
    async for attempt in retry_context(
        on=ServiceUnavailable, attempts=None, timeout=max(1.0, left), wait_initial=0.1, wait_max=1.0
    ):
        with attempt:
            await bus.emit(outcome)
