"""Made-up events, one of each kind, for test deliveries."""

from datetime import datetime
from typing import Any

from libs.contracts import events
from libs.contracts.chat import SourceUsed

_CONVERSATION: dict[str, Any] = {"conversation_id": "conv_test"}
_MESSAGE: dict[str, Any] = {"message_id": "msg_test"} | _CONVERSATION
_USED = SourceUsed(id="src_test", type="qa", title="Business Hours", relevance=0.98)


def sample(event: str, event_id: str, account_id: str, agent_id: str, at: datetime) -> events.Event:
    """Return a made-up event of an offered name."""
    about: dict[str, Any] = {
        "event_id": event_id,
        "account_id": account_id,
        "agent_id": agent_id,
        "at": at,
    }
    made_up: dict[str, events.Event] = {
        events.name_of(type(one)): one
        for one in (
            events.ConversationStarted(**_CONVERSATION, **about),
            events.ConversationEnded(last_message_at=at, **_CONVERSATION, **about),
            events.MessageReceived(message="What are your business hours?", **_MESSAGE, **about),
            events.MessageSent(
                message="We're open Monday-Saturday, 9AM to 6PM.",
                model="extractive",
                credits=1,
                confidence=0.95,
                sources=(_USED,),
                finish_reason="stop",
                **_MESSAGE,
                **about,
            ),
            events.MessageFailed(
                code="upstream_timeout",
                message="The model did not answer in time.",
                **_MESSAGE,
                **about,
            ),
            events.FeedbackReceived(rating="up", comment="Thanks!", **_MESSAGE, **about),
            events.CreditsLow(available=90, threshold=100, **about),
            events.CreditsExhausted(available=0, **about),
            events.SourceReady(source_id="src_test", chunks=12, **about),
            events.SourceFailed(source_id="src_test", message="The text is empty.", **about),
            events.WebhookDisabled(
                endpoint_id="wh_test",
                name="CRM",
                endpoint_url="https://crm.example.com/hooks",
                reason="failing",
                failing_since=at,
                **about,
            ),
        )
    }
    return made_up[event]
