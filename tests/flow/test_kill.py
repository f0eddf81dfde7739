"""kill -9 of one service process while requests are in flight, then its restart.

Every request is answered or ends in an error, the ledger adds up, nothing is billed twice, webhooks
arrive at least once.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator

import httpx
import pytest

from libs.contracts.calls import SERVICES
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.fakes.webhook_receiver import Receiver
from tests.flow.client import HOURS, Client, Streamed
from tests.stack import Stack, running
from tests.support.credits import settled
from tests.support.ends import HOLD_TTL, TEXT, ended_well, every_message_has_an_end
from tests.waiting import eventually

REQUESTS = 20


@pytest.fixture(scope="module")
async def breakable(
    tmp_path_factory: pytest.TempPathFactory, model: FakeOpenAI
) -> AsyncIterator[Stack]:
    """A system of five processes to kill."""
    directory = tmp_path_factory.mktemp("kill")
    async with running(
        directory,
        LLM_BASE_URL=model.base_url,
        LLM_API_KEY="test",
        DRAIN_TIMEOUT="2",
        HOLD_TTL=HOLD_TTL,
        HOLD_SWEEP_INTERVAL="2",
    ) as stack:
        yield stack


async def ask(client: Client, agent_id: str, number: int) -> Streamed | httpx.Response | None:
    """One request, streamed or whole; None when the connection was lost."""
    try:
        if number % 2:
            return await client.stream(agent_id, f"When are you open? {number}")
        return await client.request(
            "POST", f"/v1/agents/{agent_id}/chat", json={"message": f"Open on day {number}?"}
        )
    except (httpx.TransportError, AssertionError):
        return None


@pytest.mark.parametrize("service", SERVICES)
async def test_kill_and_restart(
    breakable: Stack, model: FakeOpenAI, receiver: Receiver, service: str
) -> None:
    """No request is lost, none is paid twice, every event is delivered."""
    async with httpx.AsyncClient(base_url=breakable.url, timeout=90) as http:
        client = Client(http, await breakable.account(credits=1_000))
        agent_id = await client.agent(HOURS, model="killed-model")
        await client.post(
            f"/v1/agents/{agent_id}/webhooks",
            {
                "name": "all",
                "endpoint_url": receiver.url("/all"),
                "events": ["message.received", "message.sent", "message.failed"],
            },
        )
        model.scripts["killed-model"] = Script(interval_ms=15)
        asked = len(model.chats)
        asking = [asyncio.create_task(ask(client, agent_id, n)) for n in range(REQUESTS)]
        await model.until(lambda fake: len(fake.chats) >= asked + REQUESTS // 2, timeout=30)
        breakable.kill(service)
        breakable.restart(service)
        results = await asyncio.gather(*asking)
        await breakable.ready()

        cut_off = sum(result is None for result in results)
        assert cut_off == 0 or service == "api"
        assert all(ended_well(result) for result in results if result is not None), results

        conversations = await every_message_has_an_end(client, agent_id)
        answered = {m["id"]: m for m in conversations if m["status"] == "done"}
        assert {message["content"] for message in answered.values()} <= {TEXT}

        spent = 5 * len(answered)
        assert await settled(client) == 1_000 - spent
        ledger = (await client.get("/v1/credits/ledger", params={"limit": 100}))["items"]
        debits = Counter(entry["message_id"] for entry in ledger if entry["type"] == "debit")
        assert debits == dict.fromkeys(answered, 1)

        async def all_delivered() -> bool:
            seen = [json.loads(delivery.body) for delivery in receiver.at("/all")]
            ends = {
                payload["data"]["message_id"]
                for payload in seen
                if payload["event"] in {"message.sent", "message.failed"}
            }
            return ends >= {message["id"] for message in conversations}

        await eventually(all_delivered)
