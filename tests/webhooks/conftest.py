"""A webhooks service to talk to, a receiver for what it sends, and short ways to both."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest

from libs.bus.bus import Bus
from libs.contracts import webhooks
from libs.contracts.webhooks import (
    DeliveryFound,
    DeliveryPage,
    DeliveryRow,
    Endpoint,
    EndpointCreated,
    SecretRotated,
)
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.webhooks.app import run
from tests.fakes.webhook_receiver import Receiver, running_receiver
from tests.waiting import eventually


@dataclass(frozen=True)
class Owner:
    """Somebody with an agent who manages its webhooks over the bus, as the edge does."""

    bus: Bus
    account_id: str = field(default_factory=lambda: new_id("acc"))
    agent_id: str = field(default_factory=lambda: new_id("agent"))

    async def create(
        self,
        url: str,
        *events: str,
        name: str = "Orders",
        headers: dict[str, str] | None = None,
        description: str = "",
    ) -> EndpointCreated:
        """Register an endpoint; for `message.received` when no event is named."""
        return await self.bus.call(
            webhooks.CREATE_ENDPOINT,
            webhooks.CreateEndpoint(
                account_id=self.account_id,
                agent_id=self.agent_id,
                name=name,
                endpoint_url=url,
                events=events or ("message.received",),
                description=description,
                custom_headers=headers or {},
            ),
        )

    async def get(self, endpoint_id: str) -> Endpoint:
        """One endpoint."""
        request = webhooks.GetEndpoint(agent_id=self.agent_id, endpoint_id=endpoint_id)
        return (await self.bus.call(webhooks.GET_ENDPOINT, request)).endpoint

    async def update(self, endpoint_id: str, **changes: Any) -> Endpoint:
        """Change an endpoint."""
        request = webhooks.UpdateEndpoint(
            agent_id=self.agent_id, endpoint_id=endpoint_id, **changes
        )
        return (await self.bus.call(webhooks.UPDATE_ENDPOINT, request)).endpoint

    async def pause(self, endpoint_id: str) -> Endpoint:
        """Pause an endpoint."""
        request = webhooks.PauseEndpoint(agent_id=self.agent_id, endpoint_id=endpoint_id)
        return (await self.bus.call(webhooks.PAUSE_ENDPOINT, request)).endpoint

    async def resume(self, endpoint_id: str) -> Endpoint:
        """Resume an endpoint."""
        request = webhooks.ResumeEndpoint(agent_id=self.agent_id, endpoint_id=endpoint_id)
        return (await self.bus.call(webhooks.RESUME_ENDPOINT, request)).endpoint

    async def rotate(self, endpoint_id: str, overlap: int | None = None) -> SecretRotated:
        """Replace an endpoint's secret."""
        request = webhooks.RotateSecret(
            agent_id=self.agent_id, endpoint_id=endpoint_id, overlap=overlap
        )
        return await self.bus.call(webhooks.ROTATE_SECRET, request)

    async def test(self, endpoint_id: str, event: str = "message.received") -> str:
        """Send a test; return its delivery's id."""
        request = webhooks.SendTest(agent_id=self.agent_id, endpoint_id=endpoint_id, event=event)
        return (await self.bus.call(webhooks.SEND_TEST, request)).delivery_id

    async def deliveries(self, endpoint_id: str, **options: Any) -> DeliveryPage:
        """A page of an endpoint's log."""
        request = webhooks.ListDeliveries(
            agent_id=self.agent_id, endpoint_id=endpoint_id, **options
        )
        return await self.bus.call(webhooks.LIST_DELIVERIES, request)

    async def delivery(self, endpoint_id: str, delivery_id: str) -> DeliveryFound:
        """One delivery."""
        request = webhooks.GetDelivery(
            agent_id=self.agent_id, endpoint_id=endpoint_id, delivery_id=delivery_id
        )
        return await self.bus.call(webhooks.GET_DELIVERY, request)

    async def replay(self, endpoint_id: str, delivery_id: str) -> None:
        """Send a delivery again."""
        request = webhooks.ReplayDelivery(
            agent_id=self.agent_id, endpoint_id=endpoint_id, delivery_id=delivery_id
        )
        await self.bus.call(webhooks.REPLAY_DELIVERY, request)

    async def replay_failed(self, endpoint_id: str, since: datetime) -> None:
        """Send again what failed."""
        request = webhooks.ReplayFailed(
            agent_id=self.agent_id, endpoint_id=endpoint_id, since=since
        )
        await self.bus.call(webhooks.REPLAY_FAILED, request)

    async def logged(
        self, endpoint_id: str, *statuses: str, timeout: float = 30.0
    ) -> list[DeliveryRow]:
        """Wait until the log has exactly these statuses; return the rows, newest first."""
        rows: list[DeliveryRow] = []

        async def as_expected() -> bool:
            nonlocal rows
            rows = list((await self.deliveries(endpoint_id)).items)
            return sorted(row.status for row in rows) == sorted(statuses)

        await eventually(as_expected, timeout)
        return rows

    async def list(self) -> tuple[Endpoint, ...]:
        """The agent's endpoints."""
        request = webhooks.ListEndpoints(agent_id=self.agent_id)
        return (await self.bus.call(webhooks.LIST_ENDPOINTS, request)).items

    async def delete(self, endpoint_id: str) -> None:
        """Remove an endpoint."""
        request = webhooks.DeleteEndpoint(agent_id=self.agent_id, endpoint_id=endpoint_id)
        await self.bus.call(webhooks.DELETE_ENDPOINT, request)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of this test's own."""
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
def settings(bus: Bus, database: Database, mongo_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment of a service in development, with quick retries."""
    url = bus.client.connected_url
    assert url is not None
    development(monkeypatch, url.geturl(), mongo_url, database.name)


def development(
    monkeypatch: pytest.MonkeyPatch, nats_url: str, mongo_url: str, database: str
) -> None:
    """Set the environment of a service in development."""
    monkeypatch.setenv("NATS_URL", nats_url)
    monkeypatch.setenv("MONGO_URL", mongo_url)
    monkeypatch.setenv("MONGO_DATABASE", database)
    monkeypatch.setenv("WEBHOOKS_ALLOW_PRIVATE", "true")
    monkeypatch.setenv("WEBHOOK_RETRY_DELAYS", "0.05,0.1,0.2")


@pytest.fixture
async def service(settings: None) -> AsyncIterator[None]:  # noqa: ARG001 - its environment
    """The service, running in this process."""
    async with run():
        yield


@pytest.fixture
def owner(bus: Bus) -> Owner:
    """An owner of an agent of its own."""
    return Owner(bus)
