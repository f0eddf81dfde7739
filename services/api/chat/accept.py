"""Accept a message: identify the conversation, hold the credits, store the question, publish.

Its passages are found meanwhile: that takes as long as the rest together.

From the moment the request is published the message is accepted: it will be answered, or fail
visibly, even if this process dies at once.
"""

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog

from libs.bus.bus import Bus
from libs.bus.errors import BusError, FaultError
from libs.bus.queues import OUTAGES
from libs.contracts import billing
from libs.contracts.chat import (
    EXTRACTIVE,
    AgentProfile,
    ChatGrounded,
    ChatRequested,
    Exchange,
    Fallback,
    Ground,
    Grounded,
)
from libs.contracts.events import ConversationStarted, MessageReceived, failure_of
from libs.contracts.queues import CHAT_GROUNDED, CHAT_REQUESTED
from libs.runtime.clock import now
from libs.runtime.ids import is_id, new_id, new_secret
from libs.runtime.outages import MongoUnavailable
from services.api.chat.grounding import Grounding
from services.api.chat.replies import Inbox, Replies
from services.api.chat.room import Place
from services.api.edge.auth import Caller, visitor_hash
from services.api.edge.turns import Turns
from services.api.http.errors import InsufficientCredits, NotFound, also_answering
from services.api.settings import ApiSettings
from services.api.store.agents import Agent
from services.api.store.conversations import (
    Conversation,
    Conversations,
    StoredMessage,
    question_id,
    question_order,
)
from services.api.store.history import taken_along

log = structlog.get_logger()


@dataclass(frozen=True)
class Question:
    """A checked message. `metadata_json` is a JSON object."""

    text: str
    conversation_id: str | None
    metadata_json: str
    cancel_on_disconnect: bool | None = None  # None: as the agent says


@dataclass(frozen=True)
class Turn:
    """A message, the conversation that it belongs to, and its visitor's token, if any.

    Accepting the same turn again changes nothing: everything that it leaves has its ids.
    """

    message_id: str
    conversation_id: str
    visitor_token: str | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that name an answer before it is there, and also when none will be."""
        headers = {"X-Message-Id": self.message_id, "X-Conversation-Id": self.conversation_id}
        if self.visitor_token:
            headers["X-Visitor-Token"] = self.visitor_token
        return headers


@dataclass(frozen=True)
class Accepted:
    """A message that will be answered, where its frames arrive, and the place it takes."""

    turn: Turn
    request: ChatRequested
    inbox: Inbox
    cancel_on_disconnect: bool
    place: Place | None = None


@dataclass(frozen=True)
class _Thread:
    """The conversation that a message belongs to, found or new. `visitor` is whose it is."""

    is_new: bool
    visitor: str | None
    history: tuple[Exchange, ...] = ()


class Acceptance:
    """The steps before an answer."""

    def __init__(
        self,
        bus: Bus,
        replies: Replies,
        conversations: Conversations,
        grounding: Grounding,
        settings: ApiSettings,
        turns: Turns,
    ) -> None:
        self._bus = bus
        self._grounding = grounding
        self._replies = replies
        self._conversations = conversations
        self._settings = settings
        self._turns = turns

    async def accept(
        self, caller: Caller, agent: Agent, question: Question, turn: Turn | None = None
    ) -> Accepted:
        """Accept a message. Raises NotFound, FaultError (credits), Refused, ServiceUnavailable."""
        async with self._turns.of(caller.account.id):
            return await self._accept(caller, agent, question, turn or new_turn(caller, question))

    async def _accept(
        self, caller: Caller, agent: Agent, question: Question, turn: Turn
    ) -> Accepted:
        finding = asyncio.create_task(self._find_thread(caller, agent, question, turn))
        grounding = asyncio.create_task(self._ground(finding, agent, question))
        try:
            thread, held = await self._prepare(caller, agent, turn, finding)
            request = self._request(caller, agent, question, thread, turn, held)
            inbox = self._replies.expect(turn.message_id, caller.account.id)
            with also_answering(turn.headers):
                await self._let_in(request, thread, question, grounding)
        finally:
            grounding.cancel()
        cancel = question.cancel_on_disconnect
        if cancel is None:
            cancel = agent.cancel_on_disconnect
        return Accepted(turn, request, inbox, cancel)

    async def _ground(
        self, finding: Awaitable[_Thread], agent: Agent, question: Question
    ) -> Grounded | None:
        """Have the passages found while the message is accepted; None: rag's queue has to do it."""
        try:
            thread = await finding
        except (NotFound, MongoUnavailable):  # what refuses the message
            return None
        ground = Ground(
            agent_id=agent.id,
            question=question.text,
            history=thread.history,
            suggestions=agent.suggestions,
        )
        return await self._grounding.of(ground)

    async def _let_in(
        self,
        request: ChatRequested,
        thread: _Thread,
        question: Question,
        grounding: Awaitable[Grounded | None],
    ) -> None:
        try:
            await self._store(request, thread, question)
            # First its events: once the request is there it is answered, whoever dies.
            await self._announce(request, started=thread.is_new)
            await self._send(request, await grounding)
        except Exception as error:
            # What is there of it by now is unknown; an outcome ends it, whatever it is.
            self._replies.line.answered(request.message_id)
            outage = isinstance(error, OUTAGES)
            code = "service_unavailable" if outage else "internal_error"
            await self.fail(request, code, "The message could not be accepted.")
            raise

    async def _prepare(
        self, caller: Caller, agent: Agent, turn: Turn, finding: Awaitable[_Thread]
    ) -> tuple[_Thread, billing.Held]:
        """Find the conversation and hold the credits, both at once."""
        hold = billing.Hold(
            account_id=caller.account.id,
            agent_id=agent.id,
            conversation_id=turn.conversation_id,
            message_id=turn.message_id,
            model=self._model_of(agent),
            fallback_models=self._fallbacks_of(agent),
        )
        thread, held_or_error = await asyncio.gather(
            finding, self._bus.call(billing.HOLD, hold), return_exceptions=True
        )
        if isinstance(thread, BaseException):
            if not isinstance(held_or_error, BaseException):
                await self._release(hold)
            raise thread
        if isinstance(held_or_error, BaseException):
            raise _for_caller(caller, held_or_error)
        return thread, held_or_error

    async def _find_thread(
        self, caller: Caller, agent: Agent, question: Question, turn: Turn
    ) -> _Thread:
        """Read a conversation and its last exchanges, in one read. Raises NotFound."""
        if question.conversation_id is None:
            visitor = visitor_hash(turn.visitor_token) if turn.visitor_token else None
            return _Thread(is_new=True, visitor=visitor)
        if not is_id(turn.conversation_id):
            raise NotFound("conversation")
        found = await self._conversations.get(turn.conversation_id)
        if found is None or found.agent_id != agent.id or not caller.may_read(found.visitor):
            raise NotFound("conversation")
        settings = self._settings
        history = taken_along(found.recent, settings.history_turns, settings.history_bytes)
        return _Thread(False, found.visitor, history)

    async def _release(self, hold: billing.Hold) -> None:
        release = billing.Release(account_id=hold.account_id, message_id=hold.message_id)
        try:
            await self._bus.call(billing.RELEASE, release)
        except BusError as error:  # billing frees it itself when HOLD_TTL has passed
            log.warning("hold.not_released", message_id=hold.message_id, error=str(error))

    def _request(
        self,
        caller: Caller,
        agent: Agent,
        question: Question,
        thread: _Thread,
        turn: Turn,
        held: billing.Held,
    ) -> ChatRequested:
        prices = zip(self._fallbacks_of(agent), held.fallback_credits, strict=False)
        return ChatRequested(
            message_id=turn.message_id,
            conversation_id=turn.conversation_id,
            account_id=caller.account.id,
            agent=msgspec.convert(agent, AgentProfile, from_attributes=True),
            question=question.text,
            history=thread.history,
            model=self._model_of(agent),
            credits=held.credits,
            edge=self._replies.edge,
            requested_at=now(),
            fallbacks=tuple(Fallback(model=model, credits=credits) for model, credits in prices),
        )

    async def _store(self, request: ChatRequested, thread: _Thread, question: Question) -> None:
        asked = StoredMessage(
            id=question_id(request.message_id),
            order=question_order(request.message_id),
            conversation_id=request.conversation_id,
            agent_id=request.agent.id,
            role="user",
            content=question.text,
            at=request.requested_at,
            metadata_json=question.metadata_json,
            model=request.model,
            credits=request.credits,
            edge=request.edge,
        )
        opened = Conversation(
            id=request.conversation_id,
            account_id=request.account_id,
            agent_id=request.agent.id,
            created_at=request.requested_at,
            visitor=thread.visitor,
            metadata_json=question.metadata_json,
        )
        await self._conversations.ask(asked, opened if thread.is_new else None)

    async def _announce(self, request: ChatRequested, *, started: bool) -> None:
        """Log that the message was received, and that its conversation has begun."""
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
        events: list[MessageReceived | ConversationStarted] = [received]
        if started:
            event_id = f"evt_started_{request.conversation_id}"
            events.append(ConversationStarted(event_id=event_id, **common))
        await asyncio.gather(*map(self._bus.emit, events))

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

    def _model_of(self, agent: Agent) -> str:
        if not self._settings.llm_configured:
            return EXTRACTIVE
        return agent.model or self._settings.llm_model

    def _fallbacks_of(self, agent: Agent) -> tuple[str, ...]:
        return agent.fallback_models if self._settings.llm_configured else ()


def _for_caller(caller: Caller, error: BaseException) -> BaseException:
    """Say nothing of the account's money to who may not see it."""
    if caller.of_account or not isinstance(error, FaultError):
        return error
    if error.fault.code != "insufficient_credits":
        return error
    return InsufficientCredits("The account does not have the credits for this answer.")


def new_turn(caller: Caller, question: Question) -> Turn:
    """Return a turn that there was not before."""
    token = caller.visitor_token if caller.publishable else None
    if caller.publishable and question.conversation_id is None:
        token = token or new_secret("vt")
    return Turn(new_id("msg"), question.conversation_id or new_id("conv"), token)
