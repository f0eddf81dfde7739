"""Relay an answer to the client, whole or as server-sent events."""

from asyncio import CancelledError
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, nullcontext
from functools import partial
from typing import Any, TypeVar

import msgspec
from anyio import CancelScope

from libs.contracts.chat import SourceUsed
from libs.contracts.events import MessageSent, Outcome
from services.api.chat import event_ids
from services.api.chat.accept import Acceptance, Accepted
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
from services.api.chat.turn import AnswerIds
from services.api.http import sse
from services.api.http.errors import AnswerFailed, ApiError, ErrorBody, detail

T = TypeVar("T")
Write = Callable[[list[ClientEvent]], T]

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

    def __init__(self, replies: Replies, acceptance: Acceptance, cancelling: Cancelling) -> None:
        self._replies = replies
        self._acceptance = acceptance
        self._cancelling = cancelling

    async def whole(self, sent: Accepted | Repeated) -> ChatResponse:
        """Wait for the answer. Raises AnswerFailed."""
        last: ClientEvent = TIMED_OUT
        async with aclosing(self._told(sent, None, list)) as batches:
            async for batch in batches:
                last = batch[-1] if batch else last
        if isinstance(last, FinishedEvent):
            return _response(last.sent, sent.turn.ids, response=last.sent.message)
        failed = last if isinstance(last, FailedEvent) else TIMED_OUT
        raise AnswerFailed(failed.code, failed.message, failed.retry_after)

    def stream(
        self, sent: Accepted | Repeated, last_event_id: str | None, request_id: str | None
    ) -> AsyncGenerator[bytes, None]:
        """Yield the answer as server-sent events; of one that was sent before, what is missing."""
        return self._told(sent, last_event_id, partial(_written, sent.turn.ids, request_id))

    def resume(
        self,
        ids: AnswerIds,
        outcome: Outcome | None,
        last_event_id: str | None,
        request_id: str | None,
        place: Place,
    ) -> AsyncGenerator[bytes, None]:
        """Yield what a client has not seen of an answer, from whichever api process it came.

        `outcome` is how it ended, if it has. The stream just ends when the answer does not come in
        time: whoever took the message gives it an outcome.
        """
        write = partial(_written, ids, request_id)
        return self._resumed(ids.message_id, outcome, last_event_id, place, write)

    def _told(
        self, sent: Accepted | Repeated, last_event_id: str | None, write: Write[T]
    ) -> AsyncGenerator[T, None]:
        """Yield what `write` makes of each batch of events; of none after some silence."""
        match sent:
            case Accepted():
                return self._accepted(sent, write)
            case Repeated():
                message_id = sent.turn.ids.message_id
                return self._resumed(message_id, sent.outcome, last_event_id, sent.place, write)

    async def _accepted(self, accepted: Accepted, write: Write[T]) -> AsyncGenerator[T, None]:
        message_id = accepted.turn.ids.message_id
        answer = Transcript()
        following = self._replies.follow(message_id, accepted.inbox, answer)
        try:
            with accepted.place or nullcontext():
                while not following.over:
                    yield write(await following.next())
            if answer.end is None:
                await self._acceptance.fail(
                    accepted.request, TIMED_OUT.code, TIMED_OUT.message, answer.text
                )
                # The first outcome on the log stays; it may have come in this moment.
                last = await self._replies.catch_up(message_id, answer)
                yield write(last if answer.end is not None else [*last, TIMED_OUT])
        except (GeneratorExit, CancelledError):
            if answer.end is None and accepted.turn.cancel_on_disconnect:
                with CancelScope(shield=True):
                    await self._cancelling.client_left(message_id)
            raise

    async def _resumed(
        self,
        message_id: str,
        outcome: Outcome | None,
        last_event_id: str | None,
        place: Place | None,
        write: Write[T],
    ) -> AsyncGenerator[T, None]:
        answer = Transcript()
        if outcome is not None and last_event_id is None:
            yield write(answer.take(outcome))
            return
        with place or nullcontext():
            async with self._replies.overhear(message_id) as inbox:
                past = await self._replies.catch_up(message_id, answer)
                if outcome is not None:
                    past += answer.take(outcome)
                seen = last_event_id and event_ids.place(message_id, last_event_id)
                if missed := after(past, seen):
                    yield write(missed)
                following = self._replies.follow(message_id, inbox, answer)
                while not following.over:
                    yield write(await following.next())


def _response(
    sent: MessageSent, ids: AnswerIds, response: str | msgspec.UnsetType = msgspec.UNSET
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
        visitor_token=ids.visitor_token or msgspec.UNSET,
    )


def _written(ids: AnswerIds, request_id: str | None, events: list[ClientEvent]) -> bytes:
    """Return events in one write, of none a comment: it keeps the stream open."""
    return b"".join(_encode(event, ids, request_id) for event in events) or sse.HEARTBEAT


def _encode(event: ClientEvent, ids: AnswerIds, request_id: str | None) -> bytes:
    event_id = event_ids.shown(ids.message_id, event.id)
    match event:
        case TextEvent():
            return sse.event("text", event_id, {"text": event.text})
        case SourcesEvent():
            data: dict[str, Any] = {"sources": event.sources, "confidence": event.confidence}
            return sse.event("sources", event_id, data)
        case ResetEvent():
            return sse.event("reset", event_id, {})
        case FinishedEvent():
            return sse.event("done", event_id, _response(event.sent, ids))
        case FailedEvent():
            failed = AnswerFailed(event.code, event.message, event.retry_after)
            return _error(event_id, failed, request_id)


def _error(event_id: str, error: ApiError, request_id: str | None) -> bytes:
    return sse.event("error", event_id, ErrorBody(error=detail(error, request_id)))
