"""Accept a message: identify the conversation, hold the credits, store the question, publish.

From the moment the request is published the message is accepted: it will be answered, or fail
visibly, even if this process dies at once.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import BusError, ServiceUnavailable
from libs.contracts import billing, subjects
from libs.contracts.chat import EXTRACTIVE, AgentProfile, ChatRequested, Exchange
from libs.contracts.events import ConversationStarted, MessageFailed, MessageReceived, outcome_id
from libs.runtime.clock import now
from libs.runtime.ids import new_id, new_secret
from services.api.auth import Caller, visitor_hash
from services.api.errors import NotFound
from services.api.replies import Inbox, Replies
from services.api.settings import ApiSettings
from services.api.store.agents import Agent
from services.api.store.conversations import (
    Conversation,
    Conversations,
    Message,
    question_order,
)

log = structlog.get_logger()


@dataclass(frozen=True)
class Question:
    """A checked message. `metadata_json` is a JSON object."""

    text: str
    conversation_id: str | None
    metadata_json: str


@dataclass(frozen=True)
class Accepted:
    """A message that will be answered, and where its frames arrive."""

    request: ChatRequested
    inbox: Inbox
    visitor_token: str | None


@dataclass(frozen=True)
class _Thread:
    """The conversation that a message belongs to, found or new."""

    id: str
    is_new: bool
    visitor: str | None
    visitor_token: str | None
    history: tuple[Exchange, ...] = ()


class Acceptance:
    """The steps before an answer."""

    def __init__(
        self, bus: Bus, replies: Replies, conversations: Conversations, settings: ApiSettings
    ) -> None:
        self._bus = bus
        self._replies = replies
        self._conversations = conversations
        self._settings = settings

    async def accept(self, caller: Caller, agent: Agent, question: Question) -> Accepted:
        """Accept a message. Raises NotFound, FaultError (credits) and ServiceUnavailable."""
        message_id = new_id("msg")
        thread, credits = await self._prepare(caller, agent, question, message_id)
        request = self._request(caller, agent, question, thread, message_id, credits)
        await self._store(request, thread, question)
        inbox = self._replies.expect(message_id)
        await self._publish(request, started=thread.is_new)
        return Accepted(request, inbox, thread.visitor_token)

    async def _prepare(
        self, caller: Caller, agent: Agent, question: Question, message_id: str
    ) -> tuple[_Thread, int]:
        """Find the conversation and hold the credits, both at once."""
        conversation_id = question.conversation_id or new_id("conv")
        hold = billing.Hold(
            account_id=caller.account.id,
            agent_id=agent.id,
            conversation_id=conversation_id,
            message_id=message_id,
            model=self._model_of(agent),
        )
        if question.conversation_id is None:
            held = await self._bus.call(billing.HOLD, hold)
            return _new_thread(caller, conversation_id), held.credits
        thread, held_or_error = await asyncio.gather(
            self._find_thread(caller, agent, conversation_id),
            self._bus.call(billing.HOLD, hold),
            return_exceptions=True,
        )
        if isinstance(thread, BaseException):
            if not isinstance(held_or_error, BaseException):
                await self._release(hold)
            raise thread
        if isinstance(held_or_error, BaseException):
            raise held_or_error
        return thread, held_or_error.credits

    async def _find_thread(self, caller: Caller, agent: Agent, conversation_id: str) -> _Thread:
        """Read a conversation and its last exchanges, in one read. Raises NotFound."""
        found = await self._conversations.get(conversation_id)
        if found is None or found.agent_id != agent.id or not caller.may_read(found.visitor):
            raise NotFound("conversation")
        most = self._settings.history_turns
        history = found.recent[-most:] if most else ()
        return _Thread(found.id, False, found.visitor, caller.visitor_token, history)

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
        message_id: str,
        credits: int,
    ) -> ChatRequested:
        return ChatRequested(
            message_id=message_id,
            conversation_id=thread.id,
            account_id=caller.account.id,
            agent=AgentProfile(id=agent.id, name=agent.name, instructions=agent.instructions),
            question=question.text,
            history=thread.history,
            model=self._model_of(agent),
            credits=credits,
            edge=self._replies.edge,
            requested_at=now(),
        )

    async def _store(self, request: ChatRequested, thread: _Thread, question: Question) -> None:
        asked = Message(
            id=new_id("msg"),
            order=question_order(request.message_id),
            conversation_id=thread.id,
            agent_id=request.agent.id,
            role="user",
            content=question.text,
            at=request.requested_at,
            metadata_json=question.metadata_json,
        )
        opened = Conversation(
            id=thread.id,
            account_id=request.account_id,
            agent_id=request.agent.id,
            created_at=request.requested_at,
            visitor=thread.visitor,
            metadata_json=question.metadata_json,
        )
        await self._conversations.ask(asked, opened if thread.is_new else None)

    async def _publish(self, request: ChatRequested, *, started: bool) -> None:
        """Publish the request and its events; all of it, or the message fails."""
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
        sending = [
            self._bus.send(subjects.CHAT_REQUESTED, request, request.message_id),
            self._bus.emit(received),
        ]
        if started:
            event_id = f"evt_started_{request.conversation_id}"
            sending.append(self._bus.emit(ConversationStarted(event_id=event_id, **common)))
        try:
            await asyncio.gather(*sending)
        except ServiceUnavailable:
            await self.fail(request, "service_unavailable", "The message could not be queued.")
            raise

    async def fail(self, request: ChatRequested, code: str, message: str) -> None:
        """Give a message an outcome when it has none; billing and the conversation follow."""
        failed = MessageFailed(
            event_id=outcome_id(request.message_id),
            account_id=request.account_id,
            agent_id=request.agent.id,
            at=now(),
            message_id=request.message_id,
            conversation_id=request.conversation_id,
            code=code,
            message=message,
            edge=request.edge,
        )
        try:
            await self._bus.emit(failed)
        except ServiceUnavailable:  # billing does the same when HOLD_TTL has passed
            log.warning("message.not_failed", message_id=request.message_id)

    def _model_of(self, agent: Agent) -> str:
        if not self._settings.llm_configured:
            return EXTRACTIVE
        return agent.model or self._settings.llm_model


def _new_thread(caller: Caller, conversation_id: str) -> _Thread:
    if not caller.publishable:
        return _Thread(conversation_id, True, None, None)
    token = caller.visitor_token or new_secret("vt")
    return _Thread(conversation_id, True, visitor_hash(token), token)
