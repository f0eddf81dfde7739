"""What a turn becomes: its hold, its request, its stored question. Pure."""

from dataclasses import dataclass

import msgspec

from libs.contracts.billing import Held, Hold
from libs.contracts.chat import (
    EXTRACTIVE,
    AgentProfile,
    ChatRequested,
    Exchange,
    Fallback,
    Ground,
)
from libs.runtime.clock import now
from services.api.chat.turn import Turn
from services.api.settings import ApiSettings
from services.api.store.agents import Agent
from services.api.store.conversations import (
    Conversation,
    StoredMessage,
    question_id,
    question_order,
)


@dataclass(frozen=True)
class Thread:
    """The conversation that a turn belongs to, found or new. `visitor` is whose it is."""

    is_new: bool
    visitor: str | None
    history: tuple[Exchange, ...] = ()


def ground_of(turn: Turn, thread: Thread) -> Ground:
    """Return what rag is asked for."""
    return Ground(
        agent_id=turn.agent.id,
        question=turn.question,
        history=thread.history,
        suggestions=turn.agent.suggestions,
    )


def hold_of(turn: Turn, settings: ApiSettings) -> Hold:
    """Return the hold on the credits of the answer."""
    return Hold(
        account_id=turn.caller.account.id,
        agent_id=turn.agent.id,
        conversation_id=turn.ids.conversation_id,
        message_id=turn.ids.message_id,
        model=_model_of(turn.agent, settings),
        fallback_models=_fallbacks_of(turn.agent, settings),
    )


def request_of(
    turn: Turn, thread: Thread, held: Held, edge: str, settings: ApiSettings
) -> ChatRequested:
    """Return the request for an answer, whose frames go to `edge`."""
    prices = zip(_fallbacks_of(turn.agent, settings), held.fallback_credits, strict=False)
    return ChatRequested(
        message_id=turn.ids.message_id,
        conversation_id=turn.ids.conversation_id,
        account_id=turn.caller.account.id,
        agent=msgspec.convert(turn.agent, AgentProfile, from_attributes=True),
        question=turn.question,
        history=thread.history,
        model=_model_of(turn.agent, settings),
        credits=held.credits,
        edge=edge,
        requested_at=now(),
        fallbacks=tuple(Fallback(model=model, credits=credits) for model, credits in prices),
    )


def stored_question(request: ChatRequested, metadata_json: str) -> StoredMessage:
    """Return the question as its conversation keeps it."""
    return StoredMessage(
        id=question_id(request.message_id),
        order=question_order(request.message_id),
        conversation_id=request.conversation_id,
        agent_id=request.agent.id,
        role="user",
        content=request.question,
        at=request.requested_at,
        metadata_json=metadata_json,
        model=request.model,
        credits=request.credits,
        edge=request.edge,
    )


def new_conversation(
    request: ChatRequested, thread: Thread, metadata_json: str
) -> Conversation | None:
    """Return the conversation that the question begins, None when it continues one."""
    if not thread.is_new:
        return None
    return Conversation(
        id=request.conversation_id,
        account_id=request.account_id,
        agent_id=request.agent.id,
        created_at=request.requested_at,
        visitor=thread.visitor,
        metadata_json=metadata_json,
    )


def _model_of(agent: Agent, settings: ApiSettings) -> str:
    if not settings.llm_configured:
        return EXTRACTIVE
    return agent.model or settings.llm_model


def _fallbacks_of(agent: Agent, settings: ApiSettings) -> tuple[str, ...]:
    return agent.fallback_models if settings.llm_configured else ()
