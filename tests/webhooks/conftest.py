"""A webhooks service to talk to, a receiver for what it sends, and short ways to both."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from libs.bus.bus import Bus
from libs.contracts import webhooks
from libs.contracts.webhooks import Endpoint, EndpointCreated
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.webhooks.app import run
from tests.fakes.webhook_receiver import Receiver, running_receiver


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
