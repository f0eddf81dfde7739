"""/v1/agents/{agent_id}/webhooks: endpoints for events. webhooks owns them; the edge asks it."""

from datetime import datetime
from typing import Annotated

import msgspec
from litestar import delete, get, post

from libs.bus.bus import Bus
from libs.contracts import webhooks as contract
from services.api.paging import Page, page
from services.api.store.agents import Agent


class CreateWebhook(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """A new endpoint: where to send which events."""

    name: str
    endpoint_url: Annotated[str, msgspec.Meta(max_length=2_000)]
    events: list[str]
    description: Annotated[str, msgspec.Meta(max_length=500)] = ""
    custom_headers: dict[str, str] = {}


class CreatedWebhook(msgspec.Struct, kw_only=True):
    """The new endpoint and the secret that signs its deliveries, which is never shown again."""

    id: str
    secret_key: str


class WebhookView(msgspec.Struct, kw_only=True):
    """An endpoint, its secret and header values masked.

    `disabled`: it answered 410 Gone, and nothing is sent to it any more.
    """

    id: str
    name: str
    endpoint_url: str
    events: tuple[str, ...]
    description: str
    custom_headers: dict[str, str]
    secret_key: str
    disabled: bool
    created_at: datetime


@post("/v1/agents/{agent_id:str}/webhooks", summary="Create a webhook", tags=["Webhooks"])
async def create_webhook(
    agent: Agent,
    data: CreateWebhook,
    bus: Bus,
) -> CreatedWebhook:
    """Send an agent's events to a URL."""
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


def view(endpoint: contract.Endpoint) -> WebhookView:
    """Return what the API shows of an endpoint."""
    return WebhookView(
        id=endpoint.id,
        name=endpoint.name,
        endpoint_url=endpoint.endpoint_url,
        events=endpoint.events,
        description=endpoint.description,
        custom_headers=endpoint.custom_headers,
        secret_key=endpoint.secret_key,
        disabled=endpoint.disabled,
        created_at=endpoint.created_at,
    )
