"""Relay an answer to the client, whole or as server-sent events."""

from asyncio import CancelledError
from collections.abc import AsyncGenerator
from contextlib import aclosing, nullcontext
from typing import Any

import msgspec

from libs.contracts.chat import SourceUsed
from libs.contracts.events import MessageSent, Outcome
from services.api.chat import event_ids
from services.api.chat.accept import Acceptance, Accepted, Turn
from services.api.chat.cancel import Cancelling
from services.api.chat.idempotency import Repeated
from services.api.chat.replies import Replies
from services.api.chat.room import Place
from services.api.chat.transcript import (
    ClientEvent,
    FailedEvent,
    FinishedEvent,
    ResetEvent,
    SourcesEvent,
    TextEvent,
    Transcript,
    after,
)
from services.api.http import sse
from services.api.http.errors import AnswerFailed, ApiError, ErrorBody, detail

TIMED_OUT = FailedEvent("end", "timeout", "No answer came in time.")


class ChatResponse(msgspec.Struct, kw_only=True):
    """An answer. In the data of the `done` event `response` is left out: the text went before.

    `confidence` is the probability that the sources answer the question; `suggestions` are
    questions that the agent can answer and that may be asked next. `visitor_token` is there for
    publishable keys: send it back as `X-Visitor-Token`.
    """

    response: str | msgspec.UnsetType = msgspec.UNSET
    conversation_id: str
    message_id: str
    confidence: float
    model: str
    sources: tuple[SourceUsed, ...]
    credits_used: int
    finish_reason: str
    suggestions: tuple[str, ...]
    visitor_token: str | msgspec.UnsetType = msgspec.UNSET


class Relay:
    """The steps after acceptance."""

    def __init__(
        self, replies: Replies, acceptance: Acceptance, cancelling: Cancelling, *, heartbeat: float
    ) -> None:
        self._replies = replies
        self._acceptance = acceptance
        self._cancelling = cancelling
        self._heartbeat = heartbeat

    async def whole(self, sent: Accepted | Repeated) -> ChatResponse:
        """Wait for the answer. Raises AnswerFailed."""
        last: ClientEvent = TIMED_OUT
        async with aclosing(self._events(sent)) as batches:
            async for batch in batches:
                last = batch[-1]
        if isinstance(last, FinishedEvent):
            return _response(last.sent, sent.turn, response=last.sent.message)
        failed = last if isinstance(last, FailedEvent) else TIMED_OUT
        raise AnswerFailed(failed.code, failed.message, failed.retry_after)

    def stream(
        self, sent: Accepted | Repeated, last_event_id: str | None, request_id: str | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answer as server-sent events; of one that was sent before, what is missing."""
        return self._encoded(self._events(sent, last_event_id), sent.turn, request_id)

    def _events(
        self, sent: Accepted | Repeated, last_event_id: str | None = None
    ) -> AsyncGenerator[list[ClientEvent], None]:
        match sent:
            case Accepted():
                return self._follow(sent)
            case Repeated():
                message_id = sent.turn.message_id
                return self._resumed(message_id, sent.outcome, last_event_id, sent.place)

    def resume(
        self,
        turn: Turn,
        outcome: Outcome | None,
        last_event_id: str | None,
        request_id: str | None,
        place: Place,
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a client has not seen of an answer, from whichever api process it came.

        `outcome` is how it ended, if it has. The stream just ends when the answer does not come in
        time: whoever took the message gives it an outcome.
        """
        following = self._resumed(turn.message_id, outcome, last_event_id, place)
        return self._encoded(following, turn, request_id)

    def _encoded(
        self,
        following: AsyncGenerator[list[ClientEvent], None],
        turn: Turn,
        request_id: str | None,
    ) -> AsyncGenerator[bytes, None]:
        async def encoded() -> AsyncGenerator[list[bytes], None]:
            async with aclosing(following):
                async for batch in following:
                    yield [_encode(event, turn, request_id) for event in batch]

        return sse.with_heartbeat(encoded(), self._heartbeat)

    async def _follow(self, accepted: Accepted) -> AsyncGenerator[list[ClientEvent], None]:
        """Yield batches of events, the last of which ends the answer."""
        message_id = accepted.turn.message_id
        answer = Transcript()
        try:
            with accepted.place or nullcontext():
                async for batch in self._replies.follow(message_id, accepted.inbox, answer):
                    yield batch
            if answer.end is None:
                await self._acceptance.fail(
                    accepted.request, TIMED_OUT.code, TIMED_OUT.message, answer.text
                )
                # The first outcome on the log stays; it may have come in this moment.
                last = await self._replies.catch_up(message_id, answer)
                yield last if answer.end is not None else [*last, TIMED_OUT]
        except (GeneratorExit, CancelledError):
            if answer.end is None and accepted.cancel_on_disconnect:
                await self._cancelling.client_left(message_id)
            raise

    async def _resumed(
        self,
        message_id: str,
        outcome: Outcome | None,
        last_event_id: str | None,
        place: Place | None,
    ) -> AsyncGenerator[list[ClientEvent], None]:
        answer = Transcript()
        if outcome is not None and last_event_id is None:
            yield answer.take(outcome)
            return
        with place or nullcontext():
            async with self._replies.overhear(message_id) as inbox:
                past = await self._replies.catch_up(message_id, answer)
                if outcome is not None:
                    past += answer.take(outcome)
                seen = last_event_id and event_ids.place(message_id, last_event_id)
                if missed := after(past, seen):
                    yield missed
                async for batch in self._replies.follow(message_id, inbox, answer):
                    yield batch


def _response(
    sent: MessageSent, turn: Turn, response: str | msgspec.UnsetType = msgspec.UNSET
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
        suggestions=sent.suggestions,
        visitor_token=turn.visitor_token or msgspec.UNSET,
    )


def _encode(event: ClientEvent, turn: Turn, request_id: str | None) -> bytes:
    event_id = event_ids.shown(turn.message_id, event.id)
    match event:
        case TextEvent():
            return sse.event("text", event_id, {"text": event.text})
        case SourcesEvent():
            data: dict[str, Any] = {"sources": event.sources, "confidence": event.confidence}
            return sse.event("sources", event_id, data)
        case ResetEvent():
            return sse.event("reset", event_id, {})
        case FinishedEvent():
            return sse.event("done", event_id, _response(event.sent, turn))
        case FailedEvent():
            failed = AnswerFailed(event.code, event.message, event.retry_after)
            return _error(event_id, failed, request_id)


def _error(event_id: str, error: ApiError, request_id: str | None) -> bytes:
    return sse.event("error", event_id, ErrorBody(error=detail(error, request_id)))
