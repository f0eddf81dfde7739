"""The JSON that a subscriber receives for each event; shapes are in libs/contracts/payloads.py."""

from collections.abc import Callable
from datetime import UTC
from typing import Any

import msgspec

from libs.contracts import events, payloads
from libs.contracts.sources import Note


def _conversation_started(event: events.ConversationStarted) -> payloads.Data:
    return payloads.ConversationStartedData(conversation_id=event.conversation_id)


def _conversation_ended(event: events.ConversationEnded) -> payloads.Data:
    return payloads.ConversationEndedData(
        conversation_id=event.conversation_id, reason="idle", last_message_at=event.last_message_at
    )


def _message_received(event: events.MessageReceived) -> payloads.Data:
    return payloads.MessageReceivedData(
        conversation_id=event.conversation_id, message_id=event.message_id, message=event.message
    )


def _message_sent(event: events.MessageSent) -> payloads.Data:
    return payloads.MessageSentData(
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        message=event.message,
        confidence=event.confidence,
        model=event.model,
        sources=tuple(
            payloads.SourcePayload(
                id=used.id, type=used.type, title=used.title, relevance=used.relevance
            )
            for used in event.sources
        ),
        credits_used=event.credits,
        finish_reason=event.finish_reason,
    )


def _message_failed(event: events.MessageFailed) -> payloads.Data:
    return payloads.MessageFailedData(
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        error=payloads.Problem(code=event.code, message=event.message),
    )


def _feedback_received(event: events.FeedbackReceived) -> payloads.Data:
    return payloads.FeedbackReceivedData(
        conversation_id=event.conversation_id,
        message_id=event.message_id,
        rating=event.rating,
        comment=event.comment,
    )


def _credits_low(event: events.CreditsLow) -> payloads.Data:
    return payloads.CreditsLowData(
        account_id=event.account_id, available=event.available, threshold=event.threshold
    )


def _credits_exhausted(event: events.CreditsExhausted) -> payloads.Data:
    return payloads.CreditsExhaustedData(account_id=event.account_id, available=event.available)


def _source_ready(event: events.SourceReady) -> payloads.Data:
    return payloads.SourceReadyData(
        source_id=event.source_id, chunks=event.chunks, notes=_notes(event.notes)
    )


def _source_failed(event: events.SourceFailed) -> payloads.Data:
    return payloads.SourceFailedData(
        source_id=event.source_id,
        error=payloads.Problem(message=event.message),
        notes=_notes(event.notes),
    )


def _notes(notes: tuple[Note, ...]) -> tuple[payloads.NotePayload, ...]:
    return tuple(
        payloads.NotePayload(code=one.code, message=one.message, place=one.place) for one in notes
    )


def _webhook_disabled(event: events.WebhookDisabled) -> payloads.Data:
    return payloads.WebhookDisabledData(
        webhook_id=event.endpoint_id,
        name=event.name,
        endpoint_url=event.endpoint_url,
        reason=event.reason,
        failing_since=event.failing_since,
    )


_DATA: dict[type[events.Event], Callable[[Any], payloads.Data]] = {
    events.ConversationStarted: _conversation_started,
    events.ConversationEnded: _conversation_ended,
    events.MessageReceived: _message_received,
    events.MessageSent: _message_sent,
    events.MessageFailed: _message_failed,
    events.FeedbackReceived: _feedback_received,
    events.CreditsLow: _credits_low,
    events.CreditsExhausted: _credits_exhausted,
    events.SourceReady: _source_ready,
    events.SourceFailed: _source_failed,
    events.WebhookDisabled: _webhook_disabled,
}

OFFERED: tuple[str, ...] = tuple(events.name_of(kind) for kind in _DATA)
"""The events that an endpoint can subscribe to."""

OF_ACCOUNT = (events.CreditsLow, events.CreditsExhausted)
"""Events of a whole account: the endpoints of all its agents get them, each for its own agent."""


def body_of(event: events.Event, agent_id: str = "", *, test: bool = False) -> str:
    """Return the exact JSON text that is signed and sent for an offered event.

    `agent_id`: the agent that it is told for, when that is not the event's own.
    """
    payload = payloads.Payload(
        event=events.name_of(type(event)),
        id=event.event_id,
        agent_id=agent_id or event.agent_id,
        timestamp=event.at.astimezone(UTC),
        data=_DATA[type(event)](event),
        test=test,
    )
    return msgspec.json.encode(payload).decode()
