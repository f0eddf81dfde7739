"""What webhooks answers: an agent's endpoints and what was delivered to them; and deliveries.

Every fault is `not_found` where the agent has no such endpoint, and `invalid`, naming the field,
where a value is refused.
"""

from datetime import datetime
from typing import Literal

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

    `disabled`: it is not called any more, because it was `gone` (410) or `failing` for too long.
    `paused`: what happens meanwhile waits in the log. `failing_since`: since when not one delivery
    succeeded, None when the last one did. `previous_secret_until`: until when the secret before
    this one signs as well.
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
    disabled_reason: str = ""
    disabled_at: datetime | None = None
    failing_since: datetime | None = None
    paused: bool = False
    previous_secret_until: datetime | None = None


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


class GetEndpoint(Message, frozen=True, kw_only=True, tag="webhooks.get_endpoint.v1"):
    """Ask for one endpoint."""

    agent_id: str
    endpoint_id: str


class EndpointFound(Message, frozen=True, kw_only=True, tag="webhooks.endpoint_found.v1"):
    """An endpoint as it is now."""

    endpoint: Endpoint


class UpdateEndpoint(Message, frozen=True, kw_only=True, tag="webhooks.update_endpoint.v1"):
    """Change an endpoint; None leaves a field as it is. Headers are replaced all together.

    What waits for the endpoint goes to its new URL.
    """

    agent_id: str
    endpoint_id: str
    name: str | None = None
    endpoint_url: str | None = None
    events: tuple[str, ...] | None = None
    description: str | None = None
    custom_headers: dict[str, str] | None = None


class PauseEndpoint(Message, frozen=True, kw_only=True, tag="webhooks.pause_endpoint.v1"):
    """Send nothing to an endpoint until it is resumed; what happens meanwhile is kept."""

    agent_id: str
    endpoint_id: str


class ResumeEndpoint(Message, frozen=True, kw_only=True, tag="webhooks.resume_endpoint.v1"):
    """Call an endpoint again that was paused or disabled; what was kept is sent now."""

    agent_id: str
    endpoint_id: str


class RotateSecret(Message, frozen=True, kw_only=True, tag="webhooks.rotate_secret.v1"):
    """Give an endpoint a new secret; the old one signs as well for `overlap` seconds.

    None: for WEBHOOK_SECRET_OVERLAP. A secret from a rotation before that ends at once.
    """

    agent_id: str
    endpoint_id: str
    overlap: int | None = None


class SecretRotated(Message, frozen=True, kw_only=True, tag="webhooks.secret_rotated.v1"):
    """The new secret, which is never shown again, and when the old one ends."""

    secret_key: str
    previous_secret_until: datetime


class SendTest(Message, frozen=True, kw_only=True, tag="webhooks.send_test.v1"):
    """Deliver a made-up event to an endpoint, once, flagged; also while it gets nothing else."""

    agent_id: str
    endpoint_id: str
    event: str


class DeliveryQueued(Message, frozen=True, kw_only=True, tag="webhooks.delivery_queued.v1"):
    """Where the log will have what comes of it."""

    delivery_id: str


DeliveryStatus = Literal["succeeded", "retrying", "failed", "held"]
"""`retrying`: another attempt comes at `next_attempt_at`. `failed`: none will. `held`: its endpoint
is paused.
"""


class Attempt(Part, frozen=True, kw_only=True):
    """One HTTP request. Without an answer `status` is None and `problem` says why.

    `number` counts from 1, again from 1 in each replay. `response` is the beginning of the answer's
    body, where that is text.
    """

    id: str
    number: int
    at: datetime
    ms: int
    status: int | None = None
    problem: str = ""
    response: str = ""
    next_attempt_at: datetime | None = None
    replay: bool = False


class DeliveryRow(Part, frozen=True, kw_only=True):
    """What is logged of one event for one endpoint, without its body."""

    id: str
    webhook_id: str
    event: str
    status: DeliveryStatus
    attempts: tuple[Attempt, ...]
    next_attempt_at: datetime | None = None
    test: bool = False


class ListDeliveries(Message, frozen=True, kw_only=True, tag="webhooks.list_deliveries.v1"):
    """Ask for the deliveries to an endpoint, newest event first, after `cursor`."""

    agent_id: str
    endpoint_id: str
    status: DeliveryStatus | None = None
    cursor: str | None = None
    limit: int = 50


class DeliveryPage(Message, frozen=True, kw_only=True, tag="webhooks.delivery_page.v1"):
    """Deliveries and the cursor of the next page, None on the last one.

    There can be fewer than were asked for, so that the page fits in a message.
    """

    items: tuple[DeliveryRow, ...]
    next_cursor: str | None = None


class GetDelivery(Message, frozen=True, kw_only=True, tag="webhooks.get_delivery.v1"):
    """Ask for one delivery."""

    agent_id: str
    endpoint_id: str
    delivery_id: str


class DeliveryFound(Message, frozen=True, kw_only=True, tag="webhooks.delivery_found.v1"):
    """A delivery and the exact JSON that is sent."""

    delivery: DeliveryRow
    body: str


class ReplayDelivery(Message, frozen=True, kw_only=True, tag="webhooks.replay_delivery.v1"):
    """Send a logged delivery again, now, whatever came of it. The retries it had are dropped.

    The fault is `conflict` while the endpoint is disabled.
    """

    agent_id: str
    endpoint_id: str
    delivery_id: str


class ReplayFailed(Message, frozen=True, kw_only=True, tag="webhooks.replay_failed.v1"):
    """The same for all deliveries of events since a time that have not succeeded."""

    agent_id: str
    endpoint_id: str
    since: datetime


class Replay(Message, frozen=True, kw_only=True, tag="webhooks.replay.v1"):
    """The work of a replay: the deliveries of these statuses, with ids from `first` to `last`."""

    replay_id: str
    agent_id: str
    endpoint_id: str
    statuses: tuple[DeliveryStatus, ...]
    first: str
    last: str
    account_id: str


class Delivery(Message, frozen=True, kw_only=True, tag="webhooks.delivery.v1"):
    """One event for one endpoint. `body` is the exact JSON that is signed and sent.

    `webhook_id` is the event's id and stays the same through every retry and replay; `delivery_id`
    names the row of the log. A retry is a message of its own, with the next `attempt`, and is not
    to be sent before `not_before`. `replay_id` is that of the replay it belongs to, if any.
    """

    webhook_id: str
    endpoint_id: str
    agent_id: str
    event: str
    body: str
    attempt: int = 1
    not_before: datetime | None = None
    delivery_id: str
    replay_id: str = ""
    test: bool = False
    account_id: str

    @property
    def key(self) -> str:
        """Name this attempt; a replay counts attempts of its own.

        Queued again when its event, or the attempt before it, comes again after a crash, it is one.
        """
        attempt = f"{self.webhook_id}:{self.endpoint_id}:{self.attempt}"
        return f"{attempt}:{self.replay_id}" if self.replay_id else attempt


CREATE_ENDPOINT = Call(
    "webhooks.create_endpoint", CreateEndpoint, EndpointCreated, idempotent=False
)
LIST_ENDPOINTS = Call("webhooks.list_endpoints", ListEndpoints, Endpoints)
DELETE_ENDPOINT = Call("webhooks.delete_endpoint", DeleteEndpoint, Done)
GET_ENDPOINT = Call("webhooks.get_endpoint", GetEndpoint, EndpointFound)
UPDATE_ENDPOINT = Call("webhooks.update_endpoint", UpdateEndpoint, EndpointFound)
PAUSE_ENDPOINT = Call("webhooks.pause_endpoint", PauseEndpoint, EndpointFound)
RESUME_ENDPOINT = Call("webhooks.resume_endpoint", ResumeEndpoint, EndpointFound)
ROTATE_SECRET = Call("webhooks.rotate_secret", RotateSecret, SecretRotated, idempotent=False)
SEND_TEST = Call("webhooks.send_test", SendTest, DeliveryQueued, idempotent=False)
LIST_DELIVERIES = Call("webhooks.list_deliveries", ListDeliveries, DeliveryPage)
GET_DELIVERY = Call("webhooks.get_delivery", GetDelivery, DeliveryFound)
REPLAY_DELIVERY = Call("webhooks.replay_delivery", ReplayDelivery, Done, idempotent=False)
REPLAY_FAILED = Call("webhooks.replay_failed", ReplayFailed, Done, idempotent=False)
