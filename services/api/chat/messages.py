"""/v1/messages/{message_id}: resume the stream of an answer, cancel it."""

from typing import Annotated, Any

from litestar import Request, Response, get, post
from litestar.params import Parameter
from litestar.response import Stream

from services.api.chat import event_ids
from services.api.chat.cancel import Cancelling
from services.api.chat.room import Admission
from services.api.chat.stream import Relay
from services.api.chat.turn import AnswerIds
from services.api.conversations.read import MessageView, own_question, view
from services.api.edge.auth import Caller
from services.api.edge.fair_order import OWN_ROOM
from services.api.http import sse
from services.api.http.errors import AnswerEnded
from services.api.store.conversations import Conversations

LastEventId = Annotated[
    str | None,
    Parameter(
        header="Last-Event-ID",
        max_length=100,
        description="The id of the last event that was received; without it, from the start",
    ),
]
# Polyfills of EventSource put it here: a header of theirs would need a CORS preflight.
LastEventIdInQuery = Annotated[
    str | None,
    Parameter(query="lastEventId", max_length=100, description="The same as Last-Event-ID"),
]


@get(
    "/v1/messages/{message_id:str}/stream",
    summary="Resume a streamed answer",
    tags=["Chat"],
)
async def resume_stream(
    message_id: str,
    request: Request[Caller, str, Any],
    conversations: Conversations,
    relay: Relay,
    admission: Admission,
    last_event_id: LastEventId = None,
    last_event_id_in_query: LastEventIdInQuery = None,
) -> Stream | Response[None]:
    """Stream an answer from the event after `Last-Event-ID`, on any replica.

    While it is being generated and some minutes after, the client gets exactly what it missed;
    later a `reset` and the whole answer. After the last event there is nothing more: 204 (409 for
    the parameter, whose senders need an error).
    """
    question, _ = await own_question(request.user, conversations, message_id)
    if last_event_id_in_query and event_ids.is_end(message_id, last_event_id_in_query):
        raise AnswerEnded  # the polyfill stumbles over a response without a body, and comes again
    last_event_id = last_event_id or last_event_id_in_query
    if last_event_id and event_ids.is_end(message_id, last_event_id):
        return Response(None, status_code=204)
    place = admission.open(request.user.account.id)
    outcome = await conversations.outcome(message_id)
    ids = AnswerIds(message_id, question.conversation_id, request.user.visitor_token)
    request_id = request.scope["state"].get("request_id")
    events = relay.resume(ids, outcome, last_event_id, request_id, place)
    return sse.response(events, ids.headers)


@post(
    "/v1/messages/{message_id:str}/cancel",
    status_code=200,
    summary="Cancel an answer",
    tags=["Chat"],
    opt={OWN_ROOM: True},
)
async def cancel_message(
    message_id: str,
    request: Request[Caller, str, Any],
    conversations: Conversations,
    cancelling: Cancelling,
) -> MessageView:
    """Stop an answer and keep what there is of it. An answer that has ended stays as it is.

    A cancelled answer costs its full price when it has any text, and nothing when it has none.
    """
    question, conversation = await own_question(request.user, conversations, message_id)
    ended = await conversations.message(message_id)
    if ended is None:
        ended = await cancelling.cancel(question, message_id, conversation.account_id)
    return view(ended)
