"""/v1/agents/{agent_id}/webhooks: endpoints for events. webhooks owns them; the edge asks it."""

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from litestar import Request, delete, get, patch, post

from libs.bus.bus import Bus
from libs.contracts import payloads
from libs.contracts import webhooks as contract
from libs.contracts.payloads import ACCOUNT_EVENTS
from services.api.edge.auth import Caller
from services.api.http.paging import Page, page
from services.api.manage.creations import Creations
from services.api.store.agents import Agent

MONTH = 30 * 24 * 60 * 60
# The owner of the endpoints checks these, and says more than a schema could.
Name = Annotated[
    str, msgspec.Meta(extra_json_schema={"minLength": 1, "maxLength": 100, "pattern": r"\S"})
]
Url = Annotated[
    str, msgspec.Meta(max_length=2_000, extra_json_schema={"pattern": "^https?://[^/]"})
]
Events = Annotated[
    list[Annotated[str, msgspec.Meta(extra_json_schema={"enum": list(payloads.DATA)})]],
    msgspec.Meta(extra_json_schema={"minItems": 1}),
]
Description = Annotated[str, msgspec.Meta(max_length=500)]


class CreateWebhook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint: where to send which events."""

    name: Name
    endpoint_url: Url
    events: Events
    description: Description = ""
    custom_headers: dict[str, str] = {}


class UpdateWebhook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What to change; what is left out stays. Headers are replaced all together."""

    name: Name | msgspec.UnsetType = msgspec.UNSET
    endpoint_url: Url | msgspec.UnsetType = msgspec.UNSET
    events: Events | msgspec.UnsetType = msgspec.UNSET
    description: Description | msgspec.UnsetType = msgspec.UNSET
    custom_headers: dict[str, str] | msgspec.UnsetType = msgspec.UNSET


class RotateSecretBody(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """How to replace the secret."""

    overlap_seconds: Annotated[
        Annotated[int, msgspec.Meta(ge=0, le=MONTH)] | None,
        msgspec.Meta(description="How long the old secret signs beside the new one; null: a day"),
    ] = None


class CreatedWebhook(msgspec.Struct, kw_only=True):
    """The new endpoint and the secret that signs its deliveries, which is never shown again."""

    id: str
    secret_key: str


class RotatedSecret(msgspec.Struct, kw_only=True):
    """The new secret, which is never shown again, and when the old one ends."""

    secret_key: str
    previous_secret_until: datetime


class WebhookView(msgspec.Struct, kw_only=True):
    """An endpoint, its secret and header values masked.

    `paused`: what happens is kept and sent when it is resumed. `disabled`: nothing is sent to it
    any more, because it answered 410 (`gone`) or did not work for days (`failing`). `failing_since`
    is there while its deliveries fail.
    """

    id: str
    name: str
    endpoint_url: str
    events: tuple[str, ...]
    description: str
    custom_headers: dict[str, str]
    secret_key: str
    previous_secret_until: datetime | None
    paused: bool
    disabled: bool
    disabled_reason: Literal["gone", "failing"] | None
    disabled_at: datetime | None
    failing_since: datetime | None
    created_at: datetime


@post("/v1/agents/{agent_id:str}/webhooks", summary="Create a webhook", tags=["Webhooks"])
async def create_webhook(
    agent: Agent,
    data: CreateWebhook,
    request: Request[Caller, str, Any],
    bus: Bus,
    creations: Creations,
) -> CreatedWebhook:
    """Send an agent's events to a URL. Those of credits need a key of the account."""
    require_scope(request.user, data.events)
    await creations.count(agent.account_id)
    command = contract.CreateEndpoint(
        account_id=agent.account_id,
        agent_id=agent.id,
        name=data.name,
        endpoint_url=data.endpoint_url,
        events=tuple(data.events),
        description=data.description,
        custom_headers=data.custom_headers,
    )
    created = await bus.call(contract.CREATE_ENDPOINT, command)
    return CreatedWebhook(id=created.id, secret_key=created.secret_key)


@get("/v1/agents/{agent_id:str}/webhooks", summary="List webhooks", tags=["Webhooks"])
async def list_webhooks(agent: Agent, bus: Bus) -> Page[WebhookView]:
    """List the endpoints of an agent, newest first, masked."""
    found = await bus.call(contract.LIST_ENDPOINTS, contract.ListEndpoints(agent_id=agent.id))
    return page([view(endpoint) for endpoint in found.items], None)


@get(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}",
    summary="Get a webhook",
    tags=["Webhooks"],
)
async def get_webhook(agent: Agent, webhook_id: str, bus: Bus) -> WebhookView:
    """Get an endpoint, masked."""
    question = contract.GetEndpoint(agent_id=agent.id, endpoint_id=webhook_id)
    return view((await bus.call(contract.GET_ENDPOINT, question)).endpoint)


@patch(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}",
    summary="Change a webhook",
    tags=["Webhooks"],
)
async def update_webhook(
    agent: Agent,
    webhook_id: str,
    data: UpdateWebhook,
    request: Request[Caller, str, Any],
    bus: Bus,
) -> WebhookView:
    """Change an endpoint. What waits for it goes to its new URL, with its new headers."""
    if not request.user.of_account:
        question = contract.GetEndpoint(agent_id=agent.id, endpoint_id=webhook_id)
        known = (await bus.call(contract.GET_ENDPOINT, question)).endpoint
        asked = () if data.events is msgspec.UNSET else data.events
        require_scope(request.user, [*known.events, *asked])
    fields = msgspec.structs.asdict(data)
    given = {name: value for name, value in fields.items() if value is not msgspec.UNSET}
    if "events" in given:
        given["events"] = tuple(given["events"])
    command = contract.UpdateEndpoint(agent_id=agent.id, endpoint_id=webhook_id, **given)
    return view((await bus.call(contract.UPDATE_ENDPOINT, command)).endpoint)


@delete(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}",
    summary="Delete a webhook",
    tags=["Webhooks"],
)
async def delete_webhook(
    agent: Agent,
    webhook_id: str,
    bus: Bus,
) -> None:
    """Delete an endpoint; what still waits for it is dropped."""
    await bus.call(
        contract.DELETE_ENDPOINT,
        contract.DeleteEndpoint(agent_id=agent.id, endpoint_id=webhook_id),
    )


@post(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/pause",
    status_code=200,
    summary="Pause a webhook",
    tags=["Webhooks"],
)
async def pause_webhook(agent: Agent, webhook_id: str, bus: Bus) -> WebhookView:
    """Send nothing until the endpoint is resumed. What happens meanwhile is kept in its log."""
    command = contract.PauseEndpoint(agent_id=agent.id, endpoint_id=webhook_id)
    return view((await bus.call(contract.PAUSE_ENDPOINT, command)).endpoint)


@post(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/resume",
    status_code=200,
    summary="Resume a webhook",
    tags=["Webhooks"],
)
async def resume_webhook(agent: Agent, webhook_id: str, bus: Bus) -> WebhookView:
    """Call an endpoint again that was paused or disabled; what was held is sent now."""
    command = contract.ResumeEndpoint(agent_id=agent.id, endpoint_id=webhook_id)
    return view((await bus.call(contract.RESUME_ENDPOINT, command)).endpoint)


@post(
    "/v1/agents/{agent_id:str}/webhooks/{webhook_id:str}/rotate",
    status_code=200,
    summary="Rotate a webhook's secret",
    tags=["Webhooks"],
)
async def rotate_webhook(
    agent: Agent, webhook_id: str, data: RotateSecretBody, bus: Bus
) -> RotatedSecret:
    """Replace the secret. Until the old one ends, every delivery is signed with both."""
    command = contract.RotateSecret(
        agent_id=agent.id, endpoint_id=webhook_id, overlap=data.overlap_seconds
    )
    rotated = await bus.call(contract.ROTATE_SECRET, command)
    return RotatedSecret(
        secret_key=rotated.secret_key, previous_secret_until=rotated.previous_secret_until
    )


def require_scope(caller: Caller, events: Iterable[str]) -> None:
    """Raise Forbidden unless the caller may know what these events tell."""
    if not ACCOUNT_EVENTS.isdisjoint(events):
        caller.require_account_key()


def view(endpoint: contract.Endpoint) -> WebhookView:
    """Return what the API shows of an endpoint."""
    reason: Literal["gone", "failing"] = "gone" if endpoint.disabled_reason == "gone" else "failing"
    return WebhookView(
        id=endpoint.id,
        name=endpoint.name,
        endpoint_url=endpoint.endpoint_url,
        events=endpoint.events,
        description=endpoint.description,
        custom_headers=endpoint.custom_headers,
        secret_key=endpoint.secret_key,
        previous_secret_until=endpoint.previous_secret_until,
        paused=endpoint.paused,
        disabled=endpoint.disabled,
        disabled_reason=reason if endpoint.disabled else None,
        disabled_at=endpoint.disabled_at,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
    )
