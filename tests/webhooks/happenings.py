"""Events as the other services publish them."""

from datetime import UTC, datetime
from typing import Any

from libs.contracts import events
from libs.contracts.chat import SourceUsed
from libs.contracts.sources import Note
from libs.runtime.ids import new_id

AT = datetime(2026, 1, 23, 10, 0, 0, tzinfo=UTC)


def received(
    agent_id: str, message: str = "Hello", event_id: str = "", at: datetime = AT
) -> events.MessageReceived:
    """A client's message."""
    return events.MessageReceived(
        event_id=event_id or new_id("evt"),
        account_id="acc_1",
        agent_id=agent_id,
        at=at,
        message_id=new_id("msg"),
        conversation_id="conv_abc123",
        message=message,
    )


def deleted(agent_id: str) -> events.AgentDeleted:
    """The end of an agent."""
    return events.AgentDeleted(event_id=new_id("evt"), account_id="acc_1", agent_id=agent_id, at=AT)


_BASE: dict[str, Any] = {
    "event_id": "evt_1",
    "account_id": "acc_1",
    "agent_id": "agent_xyz",
    "at": AT,
}

CONVERSATION_STARTED = events.ConversationStarted(**_BASE, conversation_id="conv_abc123")
MESSAGE_RECEIVED = events.MessageReceived(
    **_BASE, message_id="msg_xyz789", conversation_id="conv_abc123", message="Bukas ba kayo? 🙂"
)
MESSAGE_SENT = events.MessageSent(
    **_BASE,
    message_id="msg_xyz789",
    conversation_id="conv_abc123",
    message="We're open Monday-Saturday.",
    model="gpt-5.2",
    credits=5,
    confidence=0.87,
    sources=(
        SourceUsed(id="src_1", type="qa", title="Business Hours", relevance=0.98, text="We …"),
    ),
    finish_reason="stop",
    prompt_tokens=100,
    completion_tokens=20,
)
MESSAGE_FAILED = events.MessageFailed(
    **_BASE,
    message_id="msg_xyz789",
    conversation_id="conv_abc123",
    code="upstream_timeout",
    message="The model did not answer in time.",
)
CONVERSATION_ENDED = events.ConversationEnded(
    **_BASE, conversation_id="conv_abc123", last_message_at=AT
)
FEEDBACK_RECEIVED = events.FeedbackReceived(
    **_BASE,
    message_id="msg_xyz789",
    conversation_id="conv_abc123",
    rating="down",
    comment="Closed!",
)
CREDITS_LOW = events.CreditsLow(**_BASE, available=90, threshold=100)
CREDITS_EXHAUSTED = events.CreditsExhausted(**_BASE, available=0)
WEBHOOK_DISABLED = events.WebhookDisabled(
    **_BASE,
    endpoint_id="wh_1",
    name="CRM",
    endpoint_url="https://crm.example.com/hooks",
    reason="failing",
    failing_since=AT,
)
SOURCE_READY = events.SourceReady(
    **_BASE,
    source_id="src_1",
    chunks=12,
    notes=(Note(code="hidden_sheet", message="It is hidden.", place="sheet Costs"),),
)
SOURCE_FAILED = events.SourceFailed(**_BASE, source_id="src_1", message="The text is empty.")
