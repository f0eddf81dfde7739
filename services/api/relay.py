"""Relay an answer to the client, whole or as server-sent events."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec

from libs.contracts.chat import SourceUsed
from libs.contracts.events import MessageSent
from services.api import sse
from services.api.accept import Acceptance, Accepted
from services.api.answer import Answer, ClientEvent, Failed, Finished, Reset, Sources, Text
from services.api.errors import AnswerFailed, ApiError, ErrorBody, detail
from services.api.replies import Replies

TIMED_OUT = Failed("end", "timeout", "No answer came in time.")


class ChatResponse(msgspec.Struct, kw_only=True):
    """An answer. In the data of the `done` event `response` is left out: the text went before.

    `confidence` is the probability that the sources answer the question. `visitor_token` is there
    for publishable keys: send it back as `X-Visitor-Token`.
    """

    response: str | msgspec.UnsetType = msgspec.UNSET
    conversation_id: str
    message_id: str
    confidence: float
    model: str
    sources: tuple[SourceUsed, ...]
    credits_used: int
    finish_reason: str
    visitor_token: str | msgspec.UnsetType = msgspec.UNSET


class Relay:
    """The steps after acceptance."""

    def __init__(self, replies: Replies, acceptance: Acceptance, *, heartbeat: float) -> None:
        self._replies = replies
        self._acceptance = acceptance
        self._heartbeat = heartbeat

    async def whole(self, accepted: Accepted) -> ChatResponse:
        """Wait for the answer. Raises AnswerFailed."""
        last: ClientEvent = TIMED_OUT
        async for batch in self._follow(accepted):
            last = batch[-1]
        if isinstance(last, Finished):
            return _response(last.sent, accepted, response=last.sent.message)
        failed = last if isinstance(last, Failed) else TIMED_OUT
        raise AnswerFailed(failed.code, failed.message)

    def stream(self, accepted: Accepted, request_id: str | None) -> AsyncIterator[bytes]:
        """Yield the answer as server-sent events."""
        return sse.with_heartbeat(self._encoded(accepted, request_id), self._heartbeat)

    async def _encoded(
        self, accepted: Accepted, request_id: str | None
    ) -> AsyncIterator[list[bytes]]:
        async for batch in self._follow(accepted):
            yield [_encode(event, accepted, request_id) for event in batch]

    async def _follow(self, accepted: Accepted) -> AsyncIterator[list[ClientEvent]]:
        """Yield batches of events, the last of which ends the answer."""
        message_id = accepted.request.message_id
        answer = Answer()
        async for batch in self._replies.follow(message_id, accepted.inbox, answer):
            yield batch
        if answer.end is None:
            # Whatever comes of it later, the first outcome on the log stays.
            await self._acceptance.fail(accepted.request, TIMED_OUT.code, TIMED_OUT.message)
            yield [TIMED_OUT]


def _response(
    sent: MessageSent, accepted: Accepted, response: str | msgspec.UnsetType = msgspec.UNSET
) -> ChatResponse:
    return ChatResponse(
        response=response,
        conversation_id=sent.conversation_id,
        message_id=sent.message_id,
        confidence=sent.confidence,
        model=sent.model,
        sources=sent.sources,
        credits_used=sent.credits,
        finish_reason=sent.finish_reason,
        visitor_token=accepted.visitor_token or msgspec.UNSET,
    )


def _encode(event: ClientEvent, accepted: Accepted, request_id: str | None) -> bytes:
    match event:
        case Text():
            return sse.event("text", event.id, {"text": event.text})
        case Sources():
            data: dict[str, Any] = {"sources": event.sources, "confidence": event.confidence}
            return sse.event("sources", event.id, data)
        case Reset():
            return sse.event("reset", event.id, {})
        case Finished():
            return sse.event("done", event.id, _response(event.sent, accepted))
        case Failed():
            return _error(event.id, AnswerFailed(event.code, event.message), request_id)


def _error(event_id: str, error: ApiError, request_id: str | None) -> bytes:
    return sse.event("error", event_id, ErrorBody(error=detail(error, request_id)))
