"""One answer, followed and stopped from any replica."""

import asyncio
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from libs.runtime.ids import new_id
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client, Streamed
from tests.stack import Stack, running

PIECES = 60


@pytest.fixture(autouse=True)
def models(model: FakeOpenAI) -> None:
    """One that takes its time, one that never comes to an end."""
    model.scripts["slow"] = Script(tokens=PIECES, interval_ms=30)
    model.scripts["endless"] = Script(stall_after=3)


@pytest.fixture
async def talker(clients: list[Client]) -> str:
    """An agent whose model takes its time."""
    return await clients[0].agent(model="slow")


async def test_five_connections_on_two_replicas(clients: list[Client], talker: str) -> None:
    """The client goes to the other replica each time its connection breaks."""
    mine = Streamed(httpx.Headers())
    async with clients[0].streaming(talker, "Talk.") as (streamed, events):
        async for event in events:
            mine.events.append(event)
            if len(mine.events) == 5:
                break
        last, message_id = streamed.ids[-1], streamed.headers["X-Message-Id"]
    for drop in range(2, 6):
        async with clients[drop % 2].resuming(message_id, last) as (streamed, events):
            async for event in events:
                mine.events.append(event)
                if len(mine.events) == 5 * drop:
                    break
            last = streamed.ids[-1]
    mine.events += (await clients[0].resume(message_id, last)).events
    assert mine.names == ["sources", *["text"] * (len(mine.names) - 2), "done"]
    assert mine.text.split() == [f"tok{n}" for n in range(PIECES)]
    conversation = await clients[1].get(f"/v1/conversations/{mine.last['conversation_id']}")
    assert conversation["messages"][-1]["content"] == mine.text


async def test_cancelled_from_the_other_replica(clients: list[Client], model: FakeOpenAI) -> None:
    """The replica that streams it tells its client."""
    agent = await clients[0].agent(model="endless")
    async with clients[0].streaming(agent, "Talk.") as (streamed, events):
        async for name, _ in events:
            if name == "text":
                break
        path = f"/v1/messages/{streamed.headers['X-Message-Id']}/cancel"
        assert (await clients[1].post(path, None))["status"] == "cancelled"
        await model.until(lambda fake: fake.chats[-1].disconnected_at is not None, timeout=1)
        rest = [event async for event in events]
    assert rest[-1][1]["finish_reason"] == "cancelled"


async def test_duplicates_on_both_replicas_are_one_message(
    clients: list[Client], talker: str, model: FakeOpenAI
) -> None:
    """Ten streams with one key, five on each replica."""
    key, before = new_id("idem"), len(model.chats)
    streams = await asyncio.gather(
        *(clients[number % 2].stream(talker, "Talk.", key=key) for number in range(10))
    )
    assert len({streamed.last["message_id"] for streamed in streams}) == 1
    assert {streamed.text for streamed in streams} == {streams[0].text}
    assert len(model.chats) == before + 1


async def test_cancelled_without_a_worker(tmp_path: Path) -> None:
    """No llm process lives: the question waits in line, and is cancelled all the same."""
    async with running(tmp_path) as stack, httpx.AsyncClient(base_url=stack.url) as http:
        client = Client(http, await stack.account())
        agent = await client.agent(model="extractive")
        stack.kill("llm")
        async with client.streaming(agent, "Hello?") as (streamed, events):
            path = f"/v1/messages/{streamed.headers['X-Message-Id']}/cancel"
            cancelled = await client.post(path, None)
            ended = [event async for event in events]
        assert (cancelled["status"], cancelled["credits_used"]) == ("cancelled", 0)
        assert ended[-1][1]["finish_reason"] == "cancelled"
        stack.restart("llm")
        await stack.ready()
        again = await client.get(f"/v1/conversations/{ended[-1][1]['conversation_id']}")
        assert again["messages"][-1] == cancelled


async def test_the_edge_dies_and_the_other_one_goes_on(
    stack: Stack, clients: list[Client], talker: str
) -> None:
    """The replica that took the message is killed in the middle of it."""
    mine = Streamed(httpx.Headers())
    async with clients[1].streaming(talker, "Talk.") as (streamed, events):
        mine.ids, message_id = streamed.ids, streamed.headers["X-Message-Id"]
        with suppress(httpx.TransportError):
            async for event in events:
                mine.events.append(event)
                if len(mine.events) == 5:
                    stack.kill("api-2")
    assert "done" not in mine.names
    try:
        mine.events += (await clients[0].resume(message_id, mine.ids[-1])).events
    finally:
        stack.restart("api-2")
        await stack.ready()
    assert mine.names[-1] == "done"
    assert mine.text.split() == [f"tok{n}" for n in range(PIECES)]
