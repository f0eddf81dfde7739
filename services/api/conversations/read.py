"""GET /v1/conversations/{id} and the conversations of an agent."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, get
from litestar.params import Parameter

from libs.contracts.chat import SourceUsed
from libs.runtime.ids import is_id
from services.api.edge.auth import Caller
from services.api.http.errors import ErrorDetail, NotFound
from services.api.http.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page
from services.api.settings import ApiSettings
from services.api.store.agents import Agent
from services.api.store.conversations import Conversation, Conversations, StoredMessage, question_id


class MessageFeedback(msgspec.Struct, kw_only=True):
    """How an answer was rated last."""

    rating: Literal["up", "down"]
    comment: str
    timestamp: datetime


class MessageView(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One message. What follows `status` is there for the assistant's."""

    id: str
    role: Literal["user", "assistant"]
    content: str
    timestamp: datetime
    metadata: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    status: Literal["done", "failed", "cancelled"] | msgspec.UnsetType = msgspec.UNSET
    sources: tuple[SourceUsed, ...] | msgspec.UnsetType = msgspec.UNSET
    confidence: float | msgspec.UnsetType = msgspec.UNSET
    model: str | msgspec.UnsetType = msgspec.UNSET
    credits_used: int | msgspec.UnsetType = msgspec.UNSET
    finish_reason: str | msgspec.UnsetType = msgspec.UNSET
    suggestions: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    error: ErrorDetail | msgspec.UnsetType = msgspec.UNSET
    feedback: MessageFeedback | msgspec.UnsetType = msgspec.UNSET


class ConversationView(msgspec.Struct, kw_only=True):
    """A conversation with its messages, oldest first.

    When it is longer than one response holds, these are the newest messages, `has_more` is true,
    and `?before=` with `next_before` gives the ones before them.
    """

    id: str
    agent_id: str
    created_at: datetime
    metadata: msgspec.Raw
    messages: list[MessageView]
    has_more: bool = False
    next_before: str | None = None


class ConversationRow(msgspec.Struct, kw_only=True):
    """A conversation in a list."""

    id: str
    agent_id: str
    created_at: datetime
    metadata: msgspec.Raw


@get("/v1/conversations/{conversation_id:str}", summary="Get a conversation", tags=["Chat"])
async def get_conversation(
    conversation_id: str,
    request: Request[Caller, str, Any],
    conversations: Conversations,
    settings: ApiSettings,
    before: Annotated[str | None, Parameter(query="before", max_length=100)] = None,
) -> ConversationView:
    """Retrieve conversation history. A publishable key sees only its visitor's conversations."""
    conversation = await conversations.get(conversation_id) if is_id(conversation_id) else None
    if conversation is None or not may_read(request.user, conversation):
        raise NotFound("conversation")
    shown, has_more = await conversations.part(
        conversation_id, before, settings.max_conversation_messages, settings.max_response_bytes
    )
    return ConversationView(
        id=conversation.id,
        agent_id=conversation.agent_id,
        created_at=conversation.created_at,
        metadata=msgspec.Raw(conversation.metadata_json.encode()),
        messages=[view(message) for message in shown],
        has_more=has_more,
        next_before=shown[0].order if has_more else None,
    )


@get(
    "/v1/agents/{agent_id:str}/conversations",
    summary="List an agent's conversations",
    tags=["Conversations"],
)
async def list_conversations(
    agent: Agent,
    conversations: Conversations,
    settings: ApiSettings,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[ConversationRow]:
    """List conversations, newest first."""
    found, next_cursor = await conversations.page(
        agent.id, cursor, limit, settings.max_response_bytes
    )
    rows = [
        ConversationRow(
            id=conversation.id,
            agent_id=conversation.agent_id,
            created_at=conversation.created_at,
            metadata=msgspec.Raw(conversation.metadata_json.encode()),
        )
        for conversation in found
    ]
    return page(rows, next_cursor)


def may_read(caller: Caller, conversation: Conversation) -> bool:
    """Whether a conversation is the caller's."""
    if conversation.account_id != caller.account.id or not caller.may_use(conversation.agent_id):
        return False
    return caller.may_read(conversation.visitor)


def view(message: StoredMessage) -> MessageView:
    """Return what the API shows of a message."""
    shown = MessageView(
        id=message.id, role=message.role, content=message.content, timestamp=message.at
    )
    if message.role == "user":
        shown.metadata = msgspec.Raw(message.metadata_json.encode())
        return shown
    shown.status = message.status
    if message.feedback is not None:
        shown.feedback = MessageFeedback(
            rating=message.feedback.rating,
            comment=message.feedback.comment,
            timestamp=message.feedback.at,
        )
    if message.status == "failed":
        shown.error = ErrorDetail(code=message.error_code, message=message.error_message)
        return shown
    shown.sources = message.sources
    shown.confidence = message.confidence
    shown.model = message.model
    shown.credits_used = message.credits
    shown.finish_reason = message.finish_reason
    shown.suggestions = message.suggestions
    return shown


async def own_question(
    caller: Caller, conversations: Conversations, message_id: str
) -> tuple[StoredMessage, Conversation]:
    """Return the question to an answer that the caller may read. Raises NotFound."""
    question = None
    if is_id(message_id):
        question = await conversations.message(question_id(message_id))
    if question is None:
        raise NotFound("message")
    conversation = await conversations.get(question.conversation_id)
    if conversation is None or not may_read(caller, conversation):
        raise NotFound("message")
    return question, conversation
