"""Relay an answer to the client, whole or as server-sent events, and store it before saying so."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import stamina
import structlog

from libs.bus.errors import BusError
from libs.contracts.chat import SourceUsed
from libs.runtime.clock import now
from libs.runtime.mongo import MongoError
from services.api import sse
from services.api.accept import Acceptance, Accepted
from services.api.answer import Answer, ClientEvent, Failed, Finished, Reset, Sources, Text
from services.api.errors import AnswerFailed, ErrorBody, detail, to_api_error
from services.api.replies import Replies
from services.api.store import conversations
from services.api.store.conversations import Conversations

log = structlog.get_logger()

STORE_PATIENCE = 10.0
"""Seconds that storing an answer is tried again while the database is away."""


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

    def __init__(
        self, replies: Replies, acceptance: Acceptance, store: Conversations, *, heartbeat: float
    ) -> None:
        self._replies = replies
        self._acceptance = acceptance
        self._store = store
        self._heartbeat = heartbeat

    async def whole(self, accepted: Accepted) -> ChatResponse:
        """Wait for the answer. Raises AnswerFailed."""
        answer = Answer()
        async for _ in self._follow(accepted, answer):
            pass
        match answer.end:
            case Finished() as end:
                return msgspec.structs.replace(_done(accepted, answer, end), response=answer.text)
            case Failed(code=code, message=message):
                raise AnswerFailed(code, message)
            case None:
                raise ValueError("the answer has not ended")

    def stream(self, accepted: Accepted, request_id: str | None) -> AsyncIterator[bytes]:
        """Yield the answer as server-sent events."""
        return sse.with_heartbeat(self._events(accepted, request_id), self._heartbeat)

    async def _events(
        self, accepted: Accepted, request_id: str | None
    ) -> AsyncIterator[list[bytes]]:
        answer = Answer()
        try:
            async for batch in self._follow(accepted, answer):
                yield [_encode(event, accepted, answer, request_id) for event in batch]
        except (MongoError, BusError) as error:
            # It is not stored yet; the log has it, and the durable consumer stores it later.
            log.warning("answer.not_stored", message_id=accepted.request.message_id)
            yield [_error_event("0.0e", to_api_error(error), request_id)]

    async def _follow(self, accepted: Accepted, answer: Answer) -> AsyncIterator[list[ClientEvent]]:
        """Yield batches of events; what ends the answer comes only after it is stored."""
        message_id = accepted.request.message_id
        async for batch in self._replies.follow(message_id, accepted.inbox, answer):
            if answer.end is not None:
                await self._finish(message_id, answer)
            yield batch
        if answer.end is None:
            yield await self._give_up(accepted, answer)

    async def _give_up(self, accepted: Accepted, answer: Answer) -> list[ClientEvent]:
        """Time is up: fail the message, unless it got its outcome in the last moment."""
        await self._acceptance.fail(accepted.request, "timeout", "No answer came in time.")
        outcome = await self._replies.outcome(accepted.request.message_id)
        batch = answer.conclude(outcome)
        await self._finish(accepted.request.message_id, answer)
        return batch

    async def _finish(self, message_id: str, answer: Answer) -> None:
        """Store how the turn ended. The first to do so wins; see handlers.py for the other."""
        async for attempt in stamina.retry_context(
            on=MongoError, attempts=None, timeout=STORE_PATIENCE, wait_initial=0.05, wait_max=1.0
        ):
            with attempt:
                await self._store.finish(message_id, _end(answer))


def _end(answer: Answer) -> conversations.Answer | conversations.Failure:
    moment = now()
    match answer.end:
        case Finished(model=model, credits=credits, finish_reason=reason):
            return conversations.Answer(
                text=answer.text,
                sources=answer.sources,
                confidence=answer.confidence,
                model=model,
                credits=credits,
                finish_reason=reason,
                at=moment,
            )
        case Failed(code=code, message=message):
            return conversations.Failure(code=code, message=message, at=moment)
        case None:
            raise ValueError("the answer has not ended")


def _done(accepted: Accepted, answer: Answer, end: Finished) -> ChatResponse:
    return ChatResponse(
        conversation_id=accepted.request.conversation_id,
        message_id=accepted.request.message_id,
        confidence=answer.confidence,
        model=end.model,
        sources=answer.sources,
        credits_used=end.credits,
        finish_reason=end.finish_reason,
        visitor_token=accepted.visitor_token or msgspec.UNSET,
    )


def _encode(
    event: ClientEvent, accepted: Accepted, answer: Answer, request_id: str | None
) -> bytes:
    match event:
        case Text():
            return sse.event("text", event.id, {"text": event.text})
        case Sources():
            data: dict[str, Any] = {"sources": event.sources, "confidence": event.confidence}
            return sse.event("sources", event.id, data)
        case Reset():
            return sse.event("reset", event.id, {})
        case Finished():
            return sse.event("done", event.id, _done(accepted, answer, event))
        case Failed():
            return _error_event(event.id, AnswerFailed(event.code, event.message), request_id)


def _error_event(event_id: str, error: Any, request_id: str | None) -> bytes:
    return sse.event("error", event_id, ErrorBody(error=detail(error, request_id)))
