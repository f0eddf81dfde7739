"""Idempotency-Key: a message is accepted once, however often it is sent."""

import asyncio

import httpx
import pytest

from libs.runtime.ids import new_id
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.stack import Stack

SLOW = Script(tokens=30, interval_ms=30)


@pytest.fixture
async def talker(client: Client, model: FakeOpenAI) -> str:
    """An agent whose model takes its time."""
    model.scripts["slow"] = SLOW
    return await client.agent(model="slow")


@pytest.fixture
def key() -> str:
    """A key that was not used before."""
    return new_id("idem")


async def send(client: Client, agent_id: str, key: str, **body: object) -> httpx.Response:
    """Send a message with a key."""
    return await client.request(
        "POST",
        f"/v1/agents/{agent_id}/chat",
        json={"message": "Talk."} | body,
        headers={"Idempotency-Key": key},
    )


async def test_the_same_answer_again(client: Client, talker: str, key: str) -> None:
    """Whole and as a stream; billed and stored once."""
    first = await send(client, talker, key)
    again = await send(client, talker, key)
    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    streamed = await client.stream(talker, "Talk.", key=key)
    assert streamed.text == first.json()["response"]
    assert streamed.last["message_id"] == first.json()["message_id"]
    listed = await client.get(f"/v1/agents/{talker}/conversations")
    assert len(listed["items"]) == 1


async def test_concurrent_duplicates_are_one_message(
    client: Client, talker: str, key: str, model: FakeOpenAI
) -> None:
    """Ten streams with one key follow one answer; the model is asked once."""
    before = len(model.chats)
    streams = await asyncio.gather(*(client.stream(talker, "Talk.", key=key) for _ in range(10)))
    assert len({streamed.last["message_id"] for streamed in streams}) == 1
    assert {streamed.text for streamed in streams} == {streams[0].text}
    assert streams[0].text.split() == [f"tok{n}" for n in range(30)]
    assert len(model.chats) == before + 1


async def test_under_way_is_a_conflict_without_stream(
    client: Client, talker: str, key: str
) -> None:
    """With stream the answer is followed instead."""
    async with client.streaming(talker, "Talk.", key=key) as (_, events):
        await anext(events)
        conflict = await send(client, talker, key)
        followed = await client.stream(talker, "Talk.", key=key)
    assert conflict.status_code == 409
    assert conflict.json()["error"]["code"] == "idempotency_key_in_use"
    assert int(conflict.headers["Retry-After"]) >= 1
    assert followed.names[-1] == "done"
    assert (await send(client, talker, key)).json()["message_id"] == followed.last["message_id"]


async def test_another_request_is_refused(client: Client, shop: str, talker: str, key: str) -> None:
    """Another message, conversation, metadata or agent under the same key is 422."""
    first = await send(client, talker, key)
    others = [
        await send(client, talker, key, message="Other."),
        await send(client, talker, key, metadata={"a": 1}),
        await send(client, talker, key, conversation_id=first.json()["conversation_id"]),
        await send(client, shop, key),
    ]
    assert [other.status_code for other in others] == [422] * len(others)
    assert others[0].json()["error"]["code"] == "idempotency_key_reused"


@pytest.mark.parametrize("wrong", ["", "a" * 256, "with space"])
async def test_a_key_that_can_not_be(client: Client, talker: str, wrong: str) -> None:
    """Empty, too long, or not visible ASCII."""
    response = await send(client, talker, wrong)
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "Idempotency-Key"


async def test_a_failed_message_is_asked_again(client: Client, key: str, model: FakeOpenAI) -> None:
    """It cost nothing, and a retry is meant to help."""
    model.scripts["moody"] = Script(status=400)
    agent = await client.agent(model="moody")
    assert (await send(client, agent, key)).status_code >= 500
    model.scripts["moody"] = Script(text="Fine.")
    retried = await send(client, agent, key)
    assert retried.json()["response"] == "Fine."
    assert (await send(client, agent, key)).json() == retried.json()


async def test_a_refused_message_leaves_the_key_free(client: Client, talker: str, key: str) -> None:
    """Nothing was accepted: the corrected request may use it."""
    refused = await send(client, talker, key, conversation_id=new_id("conv"))
    assert refused.status_code == 404
    assert (await send(client, talker, key)).status_code == 200


async def test_keys_are_the_accounts_own(
    client: Client, talker: str, key: str, stack: Stack, http: httpx.AsyncClient
) -> None:
    """Two accounts may choose the same one."""
    other = Client(http, await stack.account())
    agent = await other.agent(model="slow")
    mine, theirs = await asyncio.gather(send(client, talker, key), send(other, agent, key))
    assert mine.json()["message_id"] != theirs.json()["message_id"]


async def test_a_visitor_gets_the_same_token(
    client: Client, http: httpx.AsyncClient, talker: str, key: str
) -> None:
    """The first response was lost, and with it the token: the retry has it again."""
    created = await client.post(
        f"/v1/agents/{talker}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    visitor = Client(http, created["key"])
    first, again = [(await send(visitor, talker, key)).json() for _ in range(2)]
    assert first == again
    path = f"/v1/conversations/{first['conversation_id']}"
    headers = {"X-Visitor-Token": first["visitor_token"]}
    assert (await visitor.request("GET", path, headers=headers)).status_code == 200
