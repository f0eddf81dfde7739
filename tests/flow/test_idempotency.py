"""Idempotency-Key: a message is accepted once, however often it is sent."""

import asyncio
import hashlib
import secrets
import uuid

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


async def send(
    client: Client,
    agent_id: str,
    key: str,
    *,
    headers: dict[str, str] | None = None,
    **body: object,
) -> httpx.Response:
    """Send a message with a key."""
    return await client.request(
        "POST",
        f"/v1/agents/{agent_id}/chat",
        json={"message": "Talk."} | body,
        headers={"Idempotency-Key": key} | (headers or {}),
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


@pytest.fixture
async def visitor(client: Client, http: httpx.AsyncClient, talker: str) -> Client:
    """A page's client: all visitors have this key, and none a token yet."""
    created = await client.post(
        f"/v1/agents/{talker}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    return Client(http, created["key"])


def seen_from(address: str, origin: str = "https://shop.example") -> dict[str, str]:
    """Headers of a request from somewhere else."""
    return {"X-Forwarded-For": address, "Origin": origin}


async def test_a_visitor_gets_the_same_token(visitor: Client, talker: str) -> None:
    """The first response was lost, and with it the token: the retry has it again."""
    key = str(uuid.uuid4())
    first, again = [(await send(visitor, talker, key)).json() for _ in range(2)]
    assert first == again
    path = f"/v1/conversations/{first['conversation_id']}"
    headers = {"X-Visitor-Token": first["visitor_token"]}
    assert (await visitor.request("GET", path, headers=headers)).status_code == 200


@pytest.mark.parametrize(
    "guessable",
    [
        "1",
        "2026-11-25T22:59:36.120Z",
        hashlib.sha256(b"Talk.").hexdigest(),
        str(uuid.uuid5(uuid.NAMESPACE_URL, "Talk.")),
        str(uuid.UUID(int=7)),
        "00000000-0000-4000-8000-000000000001",
        "9f8c1d2e3b4a5f60",
    ],
)
async def test_a_key_is_no_credential(visitor: Client, talker: str, guessable: str) -> None:
    """What another visitor could choose as well is refused, whether it was used or not."""
    responses = [await send(visitor, talker, guessable, message=said) for said in ("A", "A", "B")]
    assert {response.status_code for response in responses} == {400}
    assert {response.json()["error"]["param"] for response in responses} == {"Idempotency-Key"}
    # With a token of its own a visitor may choose any: they are this visitor's.
    mine = [{"X-Visitor-Token": "vt_" + secrets.token_urlsafe(32)} for _ in range(2)]
    answers = [
        (await send(visitor, talker, guessable, headers=headers)).json()
        for headers in (mine[0], mine[1], mine[0])
    ]
    assert answers[0] == answers[2]
    assert answers[0]["conversation_id"] != answers[1]["conversation_id"]


async def test_a_key_from_elsewhere_is_another_key(visitor: Client, talker: str) -> None:
    """From another network or page it hands out nothing, and is not known to be in use."""
    key = str(uuid.uuid4())
    first = await send(visitor, talker, key, headers=seen_from("203.0.113.5"))
    others = [
        await send(visitor, talker, key, headers=seen_from("203.0.113.6")),
        await send(visitor, talker, key, headers=seen_from("203.0.113.5", "https://evil.example")),
        await send(visitor, talker, key, headers=seen_from("2001:db8::1"), message="Other."),
    ]
    assert {other.status_code for other in others} == {200}
    again = await send(visitor, talker, key, headers=seen_from("203.0.113.5"))
    assert again.json() == first.json()
    everybody = [first, *others]
    for name in ("conversation_id", "visitor_token", "message_id"):
        assert len({one.json()[name] for one in everybody}) == len(everybody)


async def test_a_retry_with_the_token_that_came_is_the_same_message(
    visitor: Client, talker: str
) -> None:
    """The head of a stream brings it; the stream breaks, and the page sends its message again."""
    key = str(uuid.uuid4())
    async with visitor.streaming(talker, "Talk.", key=key) as (streamed, events):
        await anext(events)
        token = streamed.headers["X-Visitor-Token"]
    retried = await visitor.stream(talker, "Talk.", key=key, visitor=token)
    assert retried.headers["X-Message-Id"] == streamed.headers["X-Message-Id"]
    # From another network it is known by its token alone, and so is a message of its own.
    moved = {"X-Visitor-Token": token} | seen_from("203.0.113.9")
    elsewhere = await send(visitor, talker, key, headers=moved)
    assert elsewhere.json()["message_id"] != streamed.headers["X-Message-Id"]


async def test_a_token_outlives_a_failed_first_message(
    client: Client, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """The error brings the token; what is asked again with it or without it is one message."""
    model.scripts["moody"] = Script(status=400)
    agent = await client.agent(model="moody")
    created = await client.post(
        f"/v1/agents/{agent}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    page, key = Client(http, created["key"]), str(uuid.uuid4())
    failed = await send(page, agent, key)
    assert failed.status_code >= 500
    model.scripts["moody"] = Script(text="Fine.")
    token = {"X-Visitor-Token": failed.headers["X-Visitor-Token"]}
    retried = [await send(page, agent, key, headers=headers) for headers in (token, {}, token)]
    assert len({one.json()["message_id"] for one in retried}) == 1
    assert {one.json()["visitor_token"] for one in retried} == {token["X-Visitor-Token"]}


async def test_keys_of_an_agents_key_are_the_agents(
    client: Client, http: httpx.AsyncClient, talker: str, shop: str, key: str
) -> None:
    """Another agent's key can't find out which are in use, nor take them."""
    clients = [
        Client(http, (await client.post(f"/v1/agents/{agent}/keys", {"type": "secret"}))["key"])
        for agent in (talker, shop)
    ]
    answers = [
        await send(one, agent, key) for one, agent in zip(clients, (talker, shop), strict=True)
    ]
    assert {answer.status_code for answer in answers} == {200}
