"""What webhooks answers: an agent's endpoints; and the delivery of one event to one of them."""

from datetime import datetime

import msgspec

from libs.contracts.calls import Call, Done
from libs.contracts.message import Message, Part


class CreateEndpoint(Message, frozen=True, kw_only=True, tag="webhooks.create_endpoint.v1"):
    """Register a URL for events of an agent. The fault is `invalid`, naming the field."""

    account_id: str
    agent_id: str
    name: str
    endpoint_url: str
    events: tuple[str, ...]
    description: str = ""
    custom_headers: dict[str, str] = msgspec.field(default_factory=dict)


class EndpointCreated(Message, frozen=True, kw_only=True, tag="webhooks.endpoint_created.v1"):
    """The new endpoint's id and its signing secret, which is never shown again."""

    id: str
    secret_key: str


class Endpoint(Part, frozen=True, kw_only=True):
    """An endpoint as its owner sees it: secret and header values masked.

    `disabled`: its receiver answered 410 Gone, so it is not called any more.
    """

    id: str
    agent_id: str
    name: str
    endpoint_url: str
    events: tuple[str, ...]
    description: str
    custom_headers: dict[str, str]
    secret_key: str
    created_at: datetime
    disabled: bool = False


class ListEndpoints(Message, frozen=True, kw_only=True, tag="webhooks.list_endpoints.v1"):
    """Ask for the endpoints of an agent."""

    agent_id: str


class Endpoints(Message, frozen=True, kw_only=True, tag="webhooks.endpoints.v1"):
    """All endpoints of an agent, newest first; there are at most ENDPOINTS_PER_AGENT."""

    items: tuple[Endpoint, ...]


class DeleteEndpoint(Message, frozen=True, kw_only=True, tag="webhooks.delete_endpoint.v1"):
    """Remove an endpoint; what still waits for it is dropped."""

    agent_id: str
    endpoint_id: str


class Delivery(Message, frozen=True, kw_only=True, tag="webhooks.delivery.v1"):
    """One event for one endpoint. `body` is the exact JSON that is signed and sent.

    `webhook_id` is the event's id and stays the same through every retry. A retry is a message of
    its own, with the next `attempt`, and is not to be sent before `not_before`.
    """

    webhook_id: str
    endpoint_id: str
    agent_id: str
    event: str
    body: str
    attempt: int = 1
    not_before: datetime | None = None


CREATE_ENDPOINT = Call(
    "webhooks.create_endpoint", CreateEndpoint, EndpointCreated, idempotent=False
)
LIST_ENDPOINTS = Call("webhooks.list_endpoints", ListEndpoints, Endpoints)
DELETE_ENDPOINT = Call("webhooks.delete_endpoint", DeleteEndpoint, Done)
