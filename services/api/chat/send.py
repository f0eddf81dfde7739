"""POST /v1/agents/{agent_id}/chat."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import msgspec
from litestar import Request, Response, post
from litestar.params import Parameter
from litestar.response import Stream

from libs.contracts.sizes import QUESTION, size_of
from services.api.chat.accept import Acceptance, Accepted
from services.api.chat.idempotency import Repeated
from services.api.chat.messages import LastEventId
from services.api.chat.reconnect import Reconnecting, refuse_ended
from services.api.chat.room import Admission
from services.api.chat.stream import ChatResponse, Relay
from services.api.chat.turn import Turn, new_ids
from services.api.edge.auth import Caller
from services.api.edge.fair_order import OWN_ROOM
from services.api.edge.known import KnownCallers
from services.api.edge.own_agent import find_agent
from services.api.http import sse
from services.api.http.errors import InvalidRequest, also_answering
from services.api.http.presence import while_connected
from services.api.settings import ApiSettings


class ChatBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A message to an agent."""

    message: Annotated[
        str,
        msgspec.Meta(
            description="The user's message",
            extra_json_schema={"minLength": 1, "pattern": r"\S"},  # checked when it is trimmed
        ),
    ]
    conversation_id: Annotated[
        str | None, msgspec.Meta(description="Continue this conversation")
    ] = None
    metadata: Annotated[
        dict[str, Any] | None, msgspec.Meta(description="Custom data to attach")
    ] = None
    stream: Annotated[bool, msgspec.Meta(description="Answer as server-sent events")] = False
    cancel_on_disconnect: Annotated[
        bool | None, msgspec.Meta(description="Cancel when the client has gone; null: as the agent")
    ] = None


IdempotencyKey = Annotated[
    str | None,
    Parameter(
        header="Idempotency-Key",
        schema_extra={"pattern": "^[!-~]+$", "min_length": 1, "max_length": 255},
        description="Unique for each message, such as a UUID: makes it safe to send it again",
    ),
]


@dataclass(frozen=True)
class Sending:
    """What a message goes through, in one: the framework starts a task for each dependency."""

    settings: ApiSettings
    directory: KnownCallers
    admission: Admission
    acceptance: Acceptance
    reconnecting: Reconnecting
    relay: Relay

    async def send(
        self,
        caller: Caller,
        agent_id: str,
        body: ChatBody,
        key: str | None,
        last_event_id: str | None,
    ) -> Accepted | Repeated:
        """Let a message in, or find it if it was sent before. Raises what its steps raise."""
        turn = await self._turn(caller, agent_id, body)
        if body.stream and last_event_id:
            again = await self.reconnecting.find(turn, last_event_id)
            if again is not None:
                return replace(again, place=self.admission.open(caller.account.id))
        with self.admission.admit(caller.account.id) as place:
            sent = await self.acceptance.accept(turn, key, wait=body.stream)
        if isinstance(sent, Repeated) and body.stream and last_event_id:
            refuse_ended(sent, last_event_id)
        return replace(sent, place=place)

    async def _turn(self, caller: Caller, agent_id: str, body: ChatBody) -> Turn:
        question, metadata_json = _question(body, self.settings), _metadata(body, self.settings)
        agent = await find_agent(self.directory, caller, agent_id)
        cancel = body.cancel_on_disconnect
        return Turn(
            caller,
            agent,
            question,
            body.conversation_id,
            metadata_json,
            agent.cancel_on_disconnect if cancel is None else cancel,
            new_ids(caller, body.conversation_id),
        )


@post(
    "/v1/agents/{agent_id:str}/chat",
    status_code=200,
    summary="Send a message",
    tags=["Chat"],
    opt={OWN_ROOM: True},
)
async def send_message(
    agent_id: str,
    data: ChatBody,
    request: Request[Caller, str, Any],
    sending: Sending,
    idempotency_key: IdempotencyKey = None,
    last_event_id: LastEventId = None,
) -> Response[ChatResponse] | Stream:
    """Send a message and receive the agent's answer, whole or as server-sent events.

    With `stream: true` the events are `sources` (once), `text` (pieces of the answer), `reset`
    (rare: discard the text so far, it comes again), and finally `done` or `error`.

    With an `Idempotency-Key` a message is accepted once: sent again within 24 hours, it gets the
    same answer, whole or as a stream, from the same or another replica. With a publishable key and
    no `X-Visitor-Token` it has to be a random UUID. With a `Last-Event-ID` of that answer, a stream
    is its rest; the key is then not needed, except for a visitor whose first message it is.

    An error names the message and its conversation in its headers once there is one.
    """
    sent = await sending.send(request.user, agent_id, data, idempotency_key, last_event_id)
    headers = dict(sent.turn.ids.headers)
    if isinstance(sent, Repeated):
        headers["Idempotent-Replayed"] = "true"
    if data.stream:
        request_id = request.scope["state"].get("request_id")
        events = sending.relay.stream(sent, last_event_id, request_id)
        return sse.response(events, headers)
    with also_answering(headers):
        answer = await while_connected(request, sending.relay.whole(sent))
    return Response(answer, headers=headers)


def _question(body: ChatBody, settings: ApiSettings) -> str:
    question = body.message.strip()
    if not question:
        raise InvalidRequest("message must not be empty.", param="message")
    if len(question) > settings.max_message_chars:
        raise InvalidRequest(
            f"message is longer than {settings.max_message_chars} characters.", param="message"
        )
    if size_of(question) > QUESTION:
        raise InvalidRequest(f"message is larger than {QUESTION} bytes as JSON.", param="message")
    return question


def _metadata(body: ChatBody, settings: ApiSettings) -> str:
    metadata = body.metadata or {}
    if len(metadata) > settings.max_metadata_keys:
        raise InvalidRequest(
            f"metadata has more than {settings.max_metadata_keys} keys.", param="metadata"
        )
    encoded = msgspec.json.encode(metadata)
    if len(encoded) > settings.max_metadata_bytes:
        raise InvalidRequest(
            f"metadata is larger than {settings.max_metadata_bytes} bytes.", param="metadata"
        )
    return encoded.decode()
