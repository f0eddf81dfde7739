"""What a webhook can't be registered for, nor be sent to."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import ClassVar

import pytest

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts.webhooks import CreateEndpoint
from libs.egress.resolve import Resolver
from libs.egress.safe_url import is_public
from libs.runtime.clock import now
from libs.runtime.mongo import Database
from services.webhooks.app import run
from services.webhooks.endpoints.calls import EndpointCalls
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.endpoints.store import EndpointStore, StoredEndpoint
from services.webhooks.settings import WebhooksSettings
from tests.fakes.webhook_receiver import Answer, Receiver
from tests.support.refused_urls import REFUSED_URLS
from tests.webhooks.conftest import Owner
from tests.webhooks.happenings import received

PUBLIC = "https://8.8.8.8/hook"


@pytest.fixture
async def strict_service(
    settings: None,  # noqa: ARG001 - the environment that it changes
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[None]:
    """The service as it runs in production."""
    monkeypatch.delenv("WEBHOOKS_ALLOW_PRIVATE")
    async with run():
        yield


@pytest.mark.usefixtures("strict_service")
@pytest.mark.parametrize("url", REFUSED_URLS)
async def test_no_spelling_of_a_private_target_can_be_registered(owner: Owner, url: str) -> None:
    """Refused at creation and at a change, with the field named."""
    with pytest.raises(FaultError) as refusal:
        await owner.create(url)
    assert (refusal.value.fault.code, refusal.value.fault.param) == ("invalid", "endpoint_url")
    created = await owner.create(PUBLIC)
    with pytest.raises(FaultError) as refusal:
        await owner.update(created.id, endpoint_url=url)
    assert (refusal.value.fault.code, refusal.value.fault.param) == ("invalid", "endpoint_url")
    assert (await owner.get(created.id)).endpoint_url == PUBLIC


class Names(Resolver):
    """A name server that knows some names."""

    KNOWN: ClassVar[dict[str, list[str]]] = {
        "private.example": ["10.0.0.5"],
        "loopback.example": ["127.0.0.1"],
        "metadata.example": ["169.254.169.254"],
        "mapped.example": ["::ffff:192.168.0.1"],
        "six.example": ["fd00::1"],
        "mixed.example": ["8.8.8.8", "10.0.0.5"],
        "public.example": ["8.8.8.8"],
    }

    async def addresses(self, host: str, timeout: float | None) -> list[str]:
        """Return what a name stands for."""
        del timeout
        return self.KNOWN[host]


@pytest.mark.parametrize("name", [name for name in Names.KNOWN if name != "public.example"])
async def test_a_name_of_a_private_address_can_not_be_registered(
    name: str, owner: Owner, bus: Bus, database: Database
) -> None:
    """Nor may one of several addresses be private."""
    store = EndpointStore(database)
    settings = WebhooksSettings.model_construct(
        webhooks_allow_private=False,
        webhook_headers_max=10,
        webhook_headers_bytes=100,
        webhook_endpoints_per_agent=10,
    )
    endpoints = EndpointCalls(
        bus, store, KnownEndpoints(bus, store, 5.0), Names(), is_public, settings
    )
    request = CreateEndpoint(
        account_id=owner.account_id,
        agent_id=owner.agent_id,
        name="Orders",
        endpoint_url=f"https://{name}/hook",
        events=("message.sent",),
    )
    with pytest.raises(FaultError, match="private or local") as refusal:
        await endpoints.create(request)
    assert refusal.value.fault.param == "endpoint_url"
    assert await store.of_agent(owner.agent_id) == ()


@pytest.mark.usefixtures("strict_service")
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "[::ffff:127.0.0.1]"])
async def test_an_address_that_turned_private_is_not_sent_to(
    bus: Bus, owner: Owner, receiver: Receiver, database: Database, host: str
) -> None:
    """Stored when it was allowed, as a name that changed its address is: refused when sent to."""
    url = receiver.url("/hook").replace("127.0.0.1", host)
    endpoint = StoredEndpoint(
        id="wh_1",
        account_id=owner.account_id,
        agent_id=owner.agent_id,
        name="Orders",
        url=url,
        events=("message.received",),
        description="",
        headers=(),
        secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        created_at=now() - timedelta(days=1),
    )
    await EndpointStore(database).add(endpoint)
    await bus.emit(received(owner.agent_id))
    [row] = await owner.logged("wh_1", "failed")
    assert all("not public" in attempt.problem for attempt in row.attempts)
    assert receiver.received == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_into_the_network_is_not_followed(
    status: int, bus: Bus, owner: Owner, receiver: Receiver, settings: None
) -> None:
    """Whatever kind it is: the delivery has failed, and where it points to hears nothing."""
    del settings
    async with run():
        created = await owner.create(receiver.url("/moved"))
        receiver.always("/moved", Answer(status, {"location": receiver.url("/internal")}))
        await bus.emit(received(owner.agent_id))
        [row] = await owner.logged(created.id, "failed")
    assert {attempt.status for attempt in row.attempts} == {status}
    assert receiver.at("/internal") == []


async def test_an_operators_own_networks_can_be_allowed(
    settings: None, owner: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """WEBHOOK_ALLOWED_NETWORKS, for those addresses, and still by https only."""
    del settings
    monkeypatch.delenv("WEBHOOKS_ALLOW_PRIVATE")
    monkeypatch.setenv("WEBHOOK_ALLOWED_NETWORKS", "10.1.0.0/16, fd00::/64")
    async with run():
        for url in ("https://10.1.2.3/", "https://[fd00::5]/", "https://[::ffff:10.1.2.3]/"):
            await owner.create(url)
        for url in ("https://10.2.0.1/", "https://127.0.0.1/", "http://10.1.2.3/"):
            with pytest.raises(FaultError):
                await owner.create(url)


@pytest.mark.usefixtures("service")
async def test_development_is_not_a_hole(owner: Owner) -> None:
    """The own machine is allowed, by http as well; no other private address, in any spelling."""
    for url in ("http://127.0.0.1:9/", "https://127.9.9.9/", "http://localhost:9/"):
        await owner.create(url)
    for url in (
        "http://0.0.0.0:9/",
        "http://0:9/",
        "http://[::]:9/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://100.100.100.200/",
        "http://[fd00:ec2::254]/",
        "http://[fe80::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://[::ffff:127.0.0.1]/",
        "http://[64:ff9b::7f00:1]/",
        "http://[2002:7f00:1::]/",
        "http://255.255.255.255/",
        "http://224.0.0.1/",
    ):
        with pytest.raises(FaultError, match="private or local") as refusal:
            await owner.create(url)
        assert refusal.value.fault.param == "endpoint_url", url
