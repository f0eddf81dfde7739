"""Servers that die and come back, and one replica that the network cuts off from them."""

import asyncio
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import httpx
import pytest

from tests.fakes.link import Link
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import HOURS, Client, Refused, Streamed
from tests.stack import Stack, running
from tests.support.credits import settled
from tests.support.ends import HOLD_TTL, ended_well, every_message_has_an_end
from tests.waiting import eventually

REQUESTS = 20
REFUSED_WITHIN = 10.0
"""Seconds in which a request is refused whatever is away: CALL_PATIENCE, and some."""


@pytest.fixture(scope="module")
async def breakable(
    tmp_path_factory: pytest.TempPathFactory, model: FakeOpenAI
) -> AsyncIterator[Stack]:
    """Two processes of each service, with servers to kill."""
    directory = tmp_path_factory.mktemp("servers")
    async with running(
        directory,
        replicas=2,
        LLM_BASE_URL=model.base_url,
        LLM_API_KEY="test",
        HOLD_TTL=HOLD_TTL,
        HOLD_SWEEP_INTERVAL="2",
    ) as stack:
        yield stack


@pytest.fixture
async def pair(breakable: Stack) -> AsyncIterator[list[Client]]:
    """A client of each replica, with a new account."""
    key = await breakable.account(credits=1_000)
    one, two = breakable.urls
    async with (
        httpx.AsyncClient(base_url=one, timeout=90) as first,
        httpx.AsyncClient(base_url=two, timeout=90) as second,
    ):
        yield [Client(first, key), Client(second, key)]


async def ask(client: Client, agent_id: str, number: int) -> Streamed | httpx.Response:
    """One request, streamed or whole, and what became of it; a connection is never lost."""
    body = {"message": f"When are you open? {number}"}
    if number % 2 == 0:
        return await client.request("POST", f"/v1/agents/{agent_id}/chat", json=body)
    try:
        return await client.stream(agent_id, body["message"])
    except Refused as refused:  # the server was away when it was to be accepted
        return refused.response


@pytest.mark.parametrize("server", ["nats", "mongo", "qdrant"])
async def test_a_server_is_killed_and_comes_back(
    breakable: Stack, model: FakeOpenAI, pair: list[Client], server: str
) -> None:
    """What was accepted is answered or fails visibly, is billed once, and all goes on by itself."""
    agent_id = await pair[0].agent(HOURS, model="killed-model")
    model.scripts["killed-model"] = Script(interval_ms=15)
    asked = len(model.chats)
    asking = [asyncio.create_task(ask(pair[n % 2], agent_id, n)) for n in range(REQUESTS)]
    await model.until(lambda fake: len(fake.chats) >= asked + REQUESTS // 2, timeout=30)
    breakable.servers[server].kill()
    breakable.servers[server].start()
    results = await asyncio.gather(*asking)
    await breakable.ready()
    assert all(ended_well(result) for result in results), results

    messages = await every_message_has_an_end(pair[1], agent_id)
    answered = [message for message in messages if message["status"] == "done"]
    assert await settled(pair[0]) == 1_000 - 5 * len(answered)
    again = await pair[1].post(f"/v1/agents/{agent_id}/chat", {"message": "And now?"})
    assert again["response"]


@pytest.mark.parametrize("server", ["nats", "mongo"])
async def test_while_a_server_is_away_requests_are_refused(
    breakable: Stack, pair: list[Client], server: str
) -> None:
    """In the documented envelope, within seconds; nothing is counted, kept or paid."""
    agent_id = await pair[0].agent(HOURS, model="extractive")
    breakable.servers[server].kill()
    try:
        for client in pair:
            began = time.monotonic()
            response = await client.request(
                "POST", f"/v1/agents/{agent_id}/chat", json={"message": "Hours?"}
            )
            assert time.monotonic() - began < REFUSED_WITHIN
            assert response.status_code == 503, response.text
            assert response.json()["error"]["code"] == "service_unavailable"
            assert int(response.headers["Retry-After"]) > 0
    finally:
        breakable.servers[server].start()
    await breakable.ready()
    assert await settled(pair[0]) == 1_000
    assert (await pair[0].get(f"/v1/agents/{agent_id}/conversations"))["items"] == []
    answer = await pair[1].post(f"/v1/agents/{agent_id}/chat", {"message": "Hours?"})
    assert "9AM" in answer["response"]


async def test_a_replica_that_was_cut_off_does_not_accept_a_revoked_key(
    breakable: Stack, pair: list[Client]
) -> None:
    """It missed that the key was revoked: it does not trust its memory until it is back."""
    agent_id = await pair[0].agent(HOURS, model="extractive")
    async with Link(urlsplit(breakable.nats_url).port or 0) as link:
        await breakable.drain("api-2")
        breakable.restart("api-2", NATS_URL=f"nats://127.0.0.1:{link.port}")
        await breakable.ready()
        key = await pair[0].post(f"/v1/agents/{agent_id}/keys", {"type": "secret"})
        cut_off = Client(pair[1].http, key["key"])

        async def status() -> int:
            return (await cut_off.request("GET", f"/v1/agents/{agent_id}")).status_code

        assert await status() == 200
        link.cut()
        revoked = await pair[0].request("DELETE", f"/v1/agents/{agent_id}/keys/{key['id']}")
        assert revoked.is_success
        seen = {await status()}
        link.mend()

        async def refused() -> bool:
            seen.add(await status())
            return 401 in seen

        await eventually(refused)
        assert 200 not in seen, seen
        await breakable.drain("api-2")
    breakable.restart("api-2")
    await breakable.ready()
