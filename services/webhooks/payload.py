"""The JSON that a subscriber receives for each event; described in docs/webhooks.md."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec

from libs.contracts import events


class Payload(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope. `id` is the event's, the same in every retry and for every endpoint."""

    event: str
    id: str
    agent_id: str
    timestamp: datetime
    data: dict[str, Any]


def _conversation_started(event: events.ConversationStarted) -> dict[str, Any]:
    return {"conversation_id": event.conversation_id}


def _message_received(event: events.MessageReceived) -> dict[str, Any]:
    return {
        "conversation_id": event.conversation_id,
        "message_id": event.message_id,
        "message": event.message,
    }


def _message_sent(event: events.MessageSent) -> dict[str, Any]:
    return {
        "conversation_id": event.conversation_id,
        "message_id": event.message_id,
        "message": event.message,
        "confidence": event.confidence,
        "model": event.model,
        "sources": [
            {"id": used.id, "type": used.type, "title": used.title, "relevance": used.relevance}
            for used in event.sources
        ],
        "credits_used": event.credits,
        "finish_reason": event.finish_reason,
    }


def _message_failed(event: events.MessageFailed) -> dict[str, Any]:
    return {
        "conversation_id": event.conversation_id,
        "message_id": event.message_id,
        "error": {"code": event.code, "message": event.message},
    }


def _source_ready(event: events.SourceReady) -> dict[str, Any]:
    return {"source_id": event.source_id, "chunks": event.chunks}


def _source_failed(event: events.SourceFailed) -> dict[str, Any]:
    return {"source_id": event.source_id, "error": {"message": event.message}}


_DATA: dict[type[events.Event], Callable[[Any], dict[str, Any]]] = {
    events.ConversationStarted: _conversation_started,
    events.MessageReceived: _message_received,
    events.MessageSent: _message_sent,
    events.MessageFailed: _message_failed,
    events.SourceReady: _source_ready,
    events.SourceFailed: _source_failed,
}

OFFERED: tuple[str, ...] = tuple(events.name_of(kind) for kind in _DATA)
"""The events that an endpoint can subscribe to."""


def body_of(event: events.Event) -> str:
    """Return the exact JSON text that is signed and sent for an offered event."""
    payload = Payload(
        event=events.name_of(type(event)),
        id=event.event_id,
        agent_id=event.agent_id,
        timestamp=event.at.astimezone(UTC),
        data=_DATA[type(event)](event),
    )
    return msgspec.json.encode(payload).decode()
