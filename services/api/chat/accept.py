"""Accept a message: identify the conversation, hold the credits, store the question, publish.

Its passages are found meanwhile: that takes as long as the rest together.

From the moment the request is published the message is accepted: it will be answered, or fail
visibly, even if this process dies at once.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import BusError, FaultError
from libs.bus.queues import OUTAGES
from libs.contracts import billing
from libs.contracts.chat import ChatGrounded, ChatRequested, Grounded
from libs.contracts.events import ConversationStarted, MessageReceived, failure_of
from libs.contracts.queues import CHAT_GROUNDED, CHAT_REQUESTED
from libs.runtime.clock import now
from libs.runtime.ids import is_id
from libs.runtime.outages import MongoUnavailable
from services.api.chat.grounding import Grounding
from services.api.chat.idempotency import Idempotency, Repeated
from services.api.chat.replies import Inbox, Replies
from services.api.chat.request import (
    Thread,
    ground_of,
    hold_of,
    new_conversation,
    request_of,
    stored_question,
)
from services.api.chat.room import Place
from services.api.chat.turn import Turn
from services.api.edge.auth import Caller, visitor_hash
from services.api.edge.fair_order import FairOrder
from services.api.http.errors import InsufficientCredits, NotFound, also_answering
from services.api.settings import ApiSettings
from services.api.store.conversations import Conversations
from services.api.store.history import taken_along

log = structlog.get_logger()


@dataclass(frozen=True)
class Accepted:
    """A message that will be answered, where its frames arrive, and the place it takes."""

    turn: Turn
    request: ChatRequested
    inbox: Inbox
    place: Place | None = None


class Acceptance:
    """The steps before an answer."""

    def __init__(
        self,
        bus: Bus,
        replies: Replies,
        conversations: Conversations,
        grounding: Grounding,
        idempotency: Idempotency,
        settings: ApiSettings,
        fair: FairOrder,
    ) -> None:
        self._bus = bus
        self._replies = replies
        self._conversations = conversations
        self._grounding = grounding
        self._idempotency = idempotency
        self._settings = settings
        self._fair = fair

    async def accept(self, turn: Turn, key: str | None, *, wait: bool) -> Accepted | Repeated:
        """Accept a message, or find the one that was accepted under the key before.

        `wait`: the caller can follow an answer that is under way.
        Raises NotFound, FaultError (credits), Refused, ServiceUnavailable; with a key also
        InvalidRequest, KeyReused, InProgress.
        """
        if key is None:
            return await self._accept(turn)
        return await self._idempotency.once(turn, key, self._accept, wait=wait)

    async def _accept(self, turn: Turn) -> Accepted:
        async with self._fair.of(turn.caller.account.id):
            finding = asyncio.create_task(self._find_thread(turn))
            grounding = asyncio.create_task(self._ground(turn, finding))
            try:
                thread, held = await self._prepare(turn, finding)
                edge = self._replies.edge
                request = request_of(turn, thread, held, edge, self._settings)
                inbox = self._replies.expect(request.message_id, request.account_id)
                with also_answering(turn.ids.headers):
                    await self._let_in(request, turn, thread, grounding)
            finally:
                grounding.cancel()
        return Accepted(turn, request, inbox)

    async def _find_thread(self, turn: Turn) -> Thread:
        """Read a conversation and its last exchanges, in one read. Raises NotFound."""
        if turn.continues is None:
            token = turn.ids.visitor_token
            return Thread(is_new=True, visitor=visitor_hash(token) if token else None)
        if not is_id(turn.continues):
            raise NotFound("conversation")
        found = await self._conversations.get(turn.continues)
        if (
            found is None
            or found.agent_id != turn.agent.id
            or not turn.caller.may_read(found.visitor)
        ):
            raise NotFound("conversation")
        settings = self._settings
        history = taken_along(found.recent, settings.history_turns, settings.history_bytes)
        return Thread(False, found.visitor, history)

    async def _ground(self, turn: Turn, finding: Awaitable[Thread]) -> Grounded | None:
        """Have the passages found while the message is accepted; None: rag's queue has to do it."""
        try:
            thread = await finding
        except (NotFound, MongoUnavailable):  # what refuses the message
            return None
        return await self._grounding.of(ground_of(turn, thread))

    async def _prepare(self, turn: Turn, finding: Awaitable[Thread]) -> tuple[Thread, billing.Held]:
        """Find the conversation and hold the credits, both at once."""
        hold = hold_of(turn, self._settings)
        thread, held_or_error = await asyncio.gather(
            finding, self._bus.call(billing.HOLD, hold), return_exceptions=True
        )
        if isinstance(thread, BaseException):
            if not isinstance(held_or_error, BaseException):
                await self._release(hold)
            raise thread
        if isinstance(held_or_error, BaseException):
            raise _for_caller(turn.caller, held_or_error)
        return thread, held_or_error

    async def _release(self, hold: billing.Hold) -> None:
        release = billing.Release(account_id=hold.account_id, message_id=hold.message_id)
        try:
            await self._bus.call(billing.RELEASE, release)
        except BusError as error:  # billing frees it itself when HOLD_TTL has passed
            log.warning("hold.not_released", message_id=hold.message_id, error=str(error))

    async def _let_in(
        self,
        request: ChatRequested,
        turn: Turn,
        thread: Thread,
        grounding: Awaitable[Grounded | None],
    ) -> None:
        try:
            metadata = turn.metadata_json
            await self._conversations.ask(
                stored_question(request, metadata), new_conversation(request, thread, metadata)
            )
            # First its events: once the request is there it is answered, whoever dies.
            await asyncio.gather(*map(self._bus.emit, _events_of(request, thread)))
            await self._send(request, await grounding)
        except Exception as error:
            # What is there of it by now is unknown; an outcome ends it, whatever it is.
            self._replies.line.answered(request.message_id)
            outage = isinstance(error, OUTAGES)
            code = "service_unavailable" if outage else "internal_error"
            await self.fail(request, code, "The message could not be accepted.")
            raise

    async def _send(self, request: ChatRequested, grounded: Grounded | None) -> bool:
        """Publish the request: to llm, or to rag when its passages are not found yet."""
        if grounded is None:
            return await self._bus.send(CHAT_REQUESTED, request)
        return await self._bus.send(CHAT_GROUNDED, ChatGrounded.of(request, grounded))

    async def fail(self, request: ChatRequested, code: str, message: str, text: str = "") -> None:
        """Give a message an outcome when it has none; billing and the conversation follow.

        `text` is what there was of the answer.
        """
        try:
            await self._bus.emit(failure_of(request, code, message, at=now(), text=text))
        except BusError as error:  # billing does the same when HOLD_TTL has passed
            log.warning("message.not_failed", message_id=request.message_id, error=str(error))


def _events_of(
    request: ChatRequested, thread: Thread
) -> tuple[MessageReceived | ConversationStarted, ...]:
    """Return what happened: a message was received, and perhaps its conversation has begun."""
    common: dict[str, Any] = {
        "account_id": request.account_id,
        "agent_id": request.agent.id,
        "at": request.requested_at,
        "conversation_id": request.conversation_id,
    }
    received = MessageReceived(
        event_id=f"evt_received_{request.message_id}",
        message_id=request.message_id,
        message=request.question,
        **common,
    )
    if not thread.is_new:
        return (received,)
    event_id = f"evt_started_{request.conversation_id}"
    return received, ConversationStarted(event_id=event_id, **common)


def _for_caller(caller: Caller, error: BaseException) -> BaseException:
    """Say nothing of the account's money to who may not see it."""
    if caller.of_account or not isinstance(error, FaultError):
        return error
    if error.fault.code != "insufficient_credits":
        return error
    return InsufficientCredits("The account does not have the credits for this answer.")
