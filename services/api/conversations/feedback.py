"""POST /v1/messages/{message_id}/feedback: rate an answer. The newest rating counts."""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, post

from libs.bus.bus import Bus
from libs.contracts.events import FeedbackReceived
from libs.runtime.clock import now
from services.api.conversations.read import own_question
from services.api.edge.auth import Caller
from services.api.edge.fair_order import OWN_ROOM
from services.api.http.errors import Conflict, InvalidRequest
from services.api.settings import ApiSettings
from services.api.store.conversations import Conversations, Feedback, StoredMessage


class GiveFeedback(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A rating of an answer."""

    rating: Literal["up", "down"]
    comment: Annotated[str, msgspec.Meta(max_length=50_000)] = ""


class FeedbackView(msgspec.Struct, kw_only=True):
    """The rating as it is stored."""

    message_id: str
    rating: Literal["up", "down"]
    comment: str
    timestamp: datetime


@post(
    "/v1/messages/{message_id:str}/feedback",
    status_code=200,
    summary="Rate an answer",
    tags=["Chat"],
    opt={OWN_ROOM: True},
)
async def give_feedback(
    message_id: str,
    data: GiveFeedback,
    request: Request[Caller, str, Any],
    conversations: Conversations,
    bus: Bus,
    settings: ApiSettings,
) -> FeedbackView:
    """Rate an answer up or down; a later rating replaces it, the same one again changes nothing.

    409 while the answer is being made.
    """
    comment = data.comment.strip()
    if len(comment) > settings.max_comment_chars:
        most = settings.max_comment_chars
        raise InvalidRequest(f"The comment is longer than {most} characters.", param="comment")
    _, conversation = await own_question(request.user, conversations, message_id)
    message, feedback = await _store(conversations, message_id, data.rating, comment)
    await bus.emit(
        FeedbackReceived(
            # Also when it was stored before: that request may have died before it got here.
            event_id=f"evt_feedback_{message_id}_{feedback.version}",
            account_id=conversation.account_id,
            agent_id=message.agent_id,
            at=feedback.at,
            message_id=message_id,
            conversation_id=message.conversation_id,
            rating=feedback.rating,
            comment=feedback.comment,
        )
    )
    return FeedbackView(
        message_id=message_id,
        rating=feedback.rating,
        comment=feedback.comment,
        timestamp=feedback.at,
    )


async def _store(
    conversations: Conversations, message_id: str, rating: Literal["up", "down"], comment: str
) -> tuple[StoredMessage, Feedback]:
    """Make this the rating of an answer, unless it is already. Raises Conflict."""
    while True:
        message = await conversations.message(message_id)
        if message is None:
            raise Conflict("The answer is still being made. Rate it when it is complete.")
        before = message.feedback
        if before and (before.rating, before.comment) == (rating, comment):
            return message, before
        version = before.version + 1 if before else 1
        feedback = Feedback(rating=rating, comment=comment, version=version, at=now())
        if await conversations.rate(message_id, before, feedback):
            return message, feedback
