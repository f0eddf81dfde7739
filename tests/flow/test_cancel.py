"""Cancelling an answer: at once, kept, billed as documented."""

from typing import Any

import pytest

from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.waiting import eventually


@pytest.fixture(autouse=True)
def models(model: FakeOpenAI) -> None:
    """Models that never come to an end; one says something, one does not."""
    model.pause()
    model.scripts["endless"] = Script(tokens=64, stall_after=3)
    model.scripts["thinking"] = Script(tokens=64, stall_after=0)


@pytest.fixture
async def talker(client: Client) -> str:
    """An agent whose model never comes to an end."""
    return await client.agent(model="endless")


async def spent(client: Client) -> int:
    """Credits that the account's ledger says were spent."""
    entries = (await client.get("/v1/credits/ledger"))["items"]
    return sum(-int(entry["credits"]) for entry in entries if entry["type"] == "debit")


async def settled(client: Client) -> None:
    """Wait until nothing of the account is on hold."""

    async def nothing_held() -> bool:
        return bool((await client.get("/v1/credits"))["held"] == 0)

    await eventually(nothing_held)


async def test_a_cancelled_answer_is_kept_and_billed(
    client: Client, talker: str, model: FakeOpenAI
) -> None:
    """The stream ends with `done`; the stored message is what the client was left with."""
    async with client.streaming(talker, "Talk.") as (streamed, events):
        message_id = streamed.headers["X-Message-Id"]
        async for event in events:
            streamed.events.append(event)
            if streamed.text:
                break
        cancelled = await client.post(f"/v1/messages/{message_id}/cancel", None)
        await model.until(lambda fake: fake.chats[-1].disconnected_at is not None, timeout=1)
        async for event in events:
            streamed.events.append(event)
    assert streamed.names[-1] == "done"
    assert streamed.last["finish_reason"] == "cancelled"
    assert cancelled["status"] == "cancelled"
    assert cancelled["content"] == streamed.text
    conversation = await client.get(f"/v1/conversations/{streamed.last['conversation_id']}")
    assert conversation["messages"][-1] == cancelled
    await settled(client)
    assert await spent(client) == cancelled["credits_used"] > 0


async def test_cancelling_again_changes_nothing(client: Client, talker: str) -> None:
    """The answer stays as it was, its price too."""
    async with client.streaming(talker, "Talk.") as (streamed, events):
        await anext(events)
        path = f"/v1/messages/{streamed.headers['X-Message-Id']}/cancel"
        first = await client.post(path, None)
        assert await client.post(path, None) == first
    await settled(client)
    assert await spent(client) == first["credits_used"]


async def test_nothing_said_nothing_paid(client: Client, model: FakeOpenAI) -> None:
    """The model was still thinking."""
    agent = await client.agent(model="thinking")
    chats = len(model.chats)
    async with client.streaming(agent, "Talk.") as (streamed, _):
        await model.until(lambda fake: len(fake.chats) == chats + 1)
        path = f"/v1/messages/{streamed.headers['X-Message-Id']}/cancel"
        cancelled = await client.post(path, None)
    assert (cancelled["content"], cancelled["credits_used"]) == ("", 0)
    await settled(client)
    assert await spent(client) == 0


async def test_an_answer_that_ended_stays_as_it_is(client: Client, shop: str) -> None:
    """Too late is no error: the response says how it ended."""
    answer = await client.chat(shop, "What are your business hours?")
    ended = await client.post(f"/v1/messages/{answer['message_id']}/cancel", None)
    assert ended["status"] == "done"
    assert ended["content"] == answer["response"]


@pytest.mark.parametrize("asked", ["by the agent", "by the request"])
async def test_the_client_leaves(client: Client, model: FakeOpenAI, asked: str) -> None:
    """With `cancel_on_disconnect` the answer ends there."""
    fields: dict[str, Any] = {"cancel_on_disconnect": True}
    agent = await client.agent(model="endless", **(fields if asked == "by the agent" else {}))
    request = fields if asked == "by the request" else {}
    async with client.streaming(agent, "Talk.", **request) as (streamed, events):
        async for name, _ in events:
            if name == "text":
                break
    await model.until(lambda fake: fake.chats[-1].disconnected_at is not None)
    resumed = await client.resume(streamed.headers["X-Message-Id"])
    assert resumed.last["finish_reason"] == "cancelled"
