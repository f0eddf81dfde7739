"""Grounded questions for the tests of llm."""

from datetime import UTC, datetime
from typing import Any

from libs.contracts.chat import AgentProfile, ChatGrounded, ChatRequested, Exchange, Passage
from libs.runtime.ids import new_id

HOURS = Passage(
    source_id="src_hours",
    type="qa",
    title="Business Hours",
    relevance=0.98,
    text="What are your business hours?\nMonday to Saturday, 9 AM to 6 PM.",
    question="What are your business hours?",
    answer="Monday to Saturday, 9 AM to 6 PM.",
)
DELIVERY = Passage(
    source_id="src_delivery",
    type="text",
    title="Delivery",
    relevance=0.7,
    text="We bake every morning. Delivery within Makati takes one day. We do not ship abroad.",
)


def a_request(**changes: Any) -> ChatRequested:
    """Return a request; `changes` replaces fields."""
    fields: dict[str, Any] = {
        "message_id": new_id("msg"),
        "conversation_id": "conv_1",
        "account_id": "acc_1",
        "agent": AgentProfile(id="agent_1", name="Rosa"),
        "question": "When are you open?",
        "model": "gpt-5.2",
        "credits": 5,
        "edge": "edge1",
        "requested_at": datetime.now(UTC),
    }
    return ChatRequested(**fields | changes)


def a_grounded(
    passages: tuple[Passage, ...] = (HOURS, DELIVERY), confidence: float = 0.95, **changes: Any
) -> ChatGrounded:
    """Return a grounded request; `changes` replaces fields of the request."""
    return ChatGrounded(request=a_request(**changes), passages=passages, confidence=confidence)


def exchanges(count: int) -> tuple[Exchange, ...]:
    """Return a numbered conversation, oldest first."""
    return tuple(Exchange(question=f"question {n}?", answer=f"answer {n}.") for n in range(count))
