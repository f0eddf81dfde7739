"""/v1/agents/{agent_id}/webhooks/{webhook_id}/deliveries: the log of an endpoint, replay, tests."""

from datetime import datetime
from functools import cache
from typing import Annotated, Any

import msgspec
from litestar import Request, get, post
from litestar.params import Parameter

from libs.bus.bus import Bus
from libs.contracts import payloads
from libs.contracts import webhooks as contract
from libs.contracts.webhooks import DeliveryRow, DeliveryStatus
from services.api.edge.auth import Caller
from services.api.http.paging import DEFAULT_LIMIT, Cursor, Limit, Page, page
from services.api.http.ranges import check_moment
from services.api.manage.webhooks import require_scope
from services.api.store.agents import Agent

EventName = Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(payloads.DATA)})]
"""The owner of the endpoints checks it, and says which there are."""


class AttemptView(msgspec.Struct, kw_only=True):
    """One request. Without an answer `status` is null and `problem` says why.

    `number` counts from 1, in a replay again. `response` is the beginning of the answer, where that
    is text.
    """

    id: str
    number: int
    at: datetime
    duration_ms: int
    status: int | None
    problem: str
    response: str
    next_attempt_at: datetime | None
    replay: bool


class DeliveryView(msgspec.Struct, kw_only=True):
    """One event for this endpoint; `event_id` is the `webhook-id` that it is sent with.

    `retrying`: another attempt comes at `next_attempt_at`. `failed`: none will. `held`: it waits
    for the endpoint to be resumed.
    """

    id: str
    event_id: str
    event: str
    status: DeliveryStatus
    next_attempt_at: datetime | None
    test: bool
    attempts: list[AttemptView]


class DeliveryContent(DeliveryView, kw_only=True):
    """A delivery with the JSON that is sent."""

    payload: msgspec.Raw


class SendTestBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which event to make up."""

    event: EventName = "message.received"


class TestSent(msgspec.Struct, kw_only=True):
    """The delivery that will say what came of it."""

    delivery_id: str


class ReplayFailedBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Which deliveries to send again: those of events since then that did not succeed."""

    since: Annotated[datetime, msgspec.Meta(tz=True)]


class ReplayAccepted(msgspec.Struct, kw_only=True):
    """The replay goes on in the background; the log shows it."""

    accepted: bool = True


class EventType(msgspec.Struct, kw_only=True):
    """An event that a webhook can subscribe to, and the JSON Schema of its whole body."""

    name: str
    description: str
    json_schema: dict[str, object]


@get(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/deliveries",
    summary="List a webhook's deliveries",
    tags=["Webhooks"],
)
async def list_deliveries(
    agent: Agent,
    webhook_id: str,
    bus: Bus,
    status: Annotated[DeliveryStatus | None, Parameter(query="status")] = None,
    cursor: Cursor = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[DeliveryView]:
    """List what was sent to an endpoint with every attempt, newest event first.

    A page has fewer than `limit` where it would be too large; `has_more` counts.
    """
    question = contract.ListDeliveries(
        agent_id=agent.id, endpoint_id=webhook_id, status=status, cursor=cursor, limit=limit
    )
    found = await bus.call(contract.LIST_DELIVERIES, question)
    return page([DeliveryView(**fields(row)) for row in found.items], found.next_cursor)


@get(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}",
    summary="Get a delivery",
    tags=["Webhooks"],
)
async def get_delivery(
    agent: Agent,
    webhook_id: str,
    delivery_id: str,
    request: Request[Caller, str, Any],
    bus: Bus,
) -> DeliveryContent:
    """Get a delivery with its attempts and what is sent."""
    question = contract.GetDelivery(
        agent_id=agent.id, endpoint_id=webhook_id, delivery_id=delivery_id
    )
    found = await bus.call(contract.GET_DELIVERY, question)
    require_scope(request.user, [found.delivery.event])
    return DeliveryContent(payload=msgspec.Raw(found.body.encode()), **fields(found.delivery))


@post(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/deliveries/{delivery_id:str}/replay",
    status_code=202,
    summary="Send a delivery again",
    tags=["Webhooks"],
)
async def replay_delivery(
    agent: Agent, webhook_id: str, delivery_id: str, bus: Bus
) -> ReplayAccepted:
    """Send a delivery again now, with the same `webhook-id`; planned retries are not made.

    409 while the endpoint is disabled.
    """
    command = contract.ReplayDelivery(
        agent_id=agent.id, endpoint_id=webhook_id, delivery_id=delivery_id
    )
    await bus.call(contract.REPLAY_DELIVERY, command)
    return ReplayAccepted()


@post(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/replay",
    status_code=202,
    summary="Send again what failed",
    tags=["Webhooks"],
)
async def replay_failed(
    agent: Agent, webhook_id: str, data: ReplayFailedBody, bus: Bus
) -> ReplayAccepted:
    """Send all deliveries again now that did not succeed, of events since a time.

    409 while the endpoint is disabled.
    """
    check_moment(data.since, "since")
    command = contract.ReplayFailed(agent_id=agent.id, endpoint_id=webhook_id, since=data.since)
    await bus.call(contract.REPLAY_FAILED, command)
    return ReplayAccepted()


@post(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/test",
    status_code=202,
    summary="Send a test",
    tags=["Webhooks"],
)
async def send_test(agent: Agent, webhook_id: str, data: SendTestBody, bus: Bus) -> TestSent:
    """Send a made-up event once, with `"test": true`; also to an endpoint that is not called."""
    command = contract.SendTest(agent_id=agent.id, endpoint_id=webhook_id, event=data.event)
    return TestSent(delivery_id=(await bus.call(contract.SEND_TEST, command)).delivery_id)


@get(
    "/v1/webhooks/events",
    opt={"public": True},
    security=[{}],
    summary="List webhook events",
    tags=["Webhooks"],
)
async def list_events() -> Page[EventType]:
    """List the events that there are, each with the JSON Schema of its body. Needs no key."""
    return page(list(_event_types()), None)


@cache
def _event_types() -> tuple[EventType, ...]:
    """Return what never changes: anybody may ask for it."""
    schemas = {name: payloads.schema_of(name) for name in payloads.DATA}
    return tuple(
        EventType(name=name, description=str(schema["description"]), json_schema=schema)
        for name, schema in schemas.items()
    )


def fields(row: DeliveryRow) -> dict[str, Any]:
    """Return what the API shows of a delivery."""
    return {
        "id": row.id,
        "event_id": row.webhook_id,
        "event": row.event,
        "status": row.status,
        "next_attempt_at": row.next_attempt_at,
        "test": row.test,
        "attempts": [
            AttemptView(
                id=attempt.id,
                number=attempt.number,
                at=attempt.at,
                duration_ms=attempt.ms,
                status=attempt.status,
                problem=attempt.problem,
                response=attempt.response,
                next_attempt_at=attempt.next_attempt_at,
                replay=attempt.replay,
            )
            for attempt in row.attempts
        ],
    }
