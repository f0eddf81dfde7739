"""A client that loses its connection takes the answer up where it was, or from the start."""

import httpx
import pytest

from libs.runtime.ids import new_id
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client, Streamed
from tests.stack import Stack
from tests.waiting import eventually

PIECES = 60
SLOW = Script(tokens=PIECES, interval_ms=30)


@pytest.fixture
async def talker(client: Client, model: FakeOpenAI) -> str:
    """An agent whose model takes its time."""
    model.scripts["slow"] = SLOW
    return await client.agent(model="slow")


async def stored(client: Client, message_id: str, conversation_id: str) -> str:
    """The text of an answer as a GET shows it."""
    conversation = await client.get(f"/v1/conversations/{conversation_id}")
    (text,) = [m["content"] for m in conversation["messages"] if m["id"] == message_id]
    return str(text)


async def test_five_dropped_connections_lose_nothing(client: Client, talker: str) -> None:
    """Each time the client comes back with the id of its last event, as browsers do."""
    mine = Streamed(httpx.Headers())
    async with client.streaming(talker, "Talk.") as (streamed, events):
        async for event in events:
            mine.events.append(event)
            if len(mine.events) == 5:
                break
        mine.ids, message_id = streamed.ids, streamed.headers["X-Message-Id"]
    for drop in range(2, 6):
        async with client.resuming(message_id, mine.ids[-1]) as (streamed, events):
            async for event in events:
                mine.events.append(event)
                if len(mine.events) == 5 * drop:
                    break
            mine.ids += streamed.ids
    rest = await client.resume(message_id, mine.ids[-1])
    mine.events += rest.events
    assert mine.names[0] == "sources"
    assert mine.names[-1] == "done"
    assert set(mine.names[1:-1]) == {"text"}
    assert mine.text == await stored(client, message_id, mine.last["conversation_id"])
    assert mine.text.split() == [f"tok{n}" for n in range(PIECES)]


async def test_without_an_event_id_it_comes_from_the_start(client: Client, talker: str) -> None:
    """While it is generated, and when it has ended."""
    async with client.streaming(talker, "Talk.") as (streamed, events):
        await anext(events)
        message_id = streamed.headers["X-Message-Id"]
    during = await client.resume(message_id)
    after = await client.resume(message_id)
    assert during.names[0] == after.names[0] == "sources"
    assert during.text == after.text
    assert during.last == after.last
    assert during.text.split() == [f"tok{n}" for n in range(PIECES)]


async def test_an_event_that_nobody_knows_begins_anew(client: Client, talker: str) -> None:
    """What text that client has can't be known, so it is told to forget it."""
    answer = await client.chat(talker, "Talk.")
    resumed = await client.resume(answer["message_id"], "7.77")
    assert resumed.names[0] == "reset"
    assert resumed.text == answer["response"]


async def test_after_the_last_event_there_is_nothing(client: Client, talker: str) -> None:
    """204 is what makes a browser's EventSource stop."""
    streamed = await client.stream(talker, "Talk.")
    path = f"/v1/messages/{streamed.last['message_id']}/stream"
    response = await client.request("GET", path, headers={"Last-Event-ID": streamed.ids[-1]})
    assert response.status_code == 204


async def test_a_failed_answer_ends_with_its_error_again(client: Client, model: FakeOpenAI) -> None:
    """The client that comes back learns of it too."""
    model.scripts["broken"] = Script(status=400)
    agent = await client.agent(model="broken")
    streamed = await client.stream(agent, "Talk.")
    resumed = await client.resume(streamed.headers["X-Message-Id"])
    assert resumed.names == ["error"]
    assert resumed.last["error"]["code"] == streamed.last["error"]["code"]


async def test_others_messages_are_not_there(
    client: Client, stack: Stack, http: httpx.AsyncClient, talker: str
) -> None:
    """Another account's message is as unknown as none."""
    answer = await client.chat(talker, "Talk.")
    stranger = Client(http, await stack.account())
    for message_id in (answer["message_id"], new_id("msg")):
        for method, path in (("GET", "stream"), ("POST", "cancel")):
            response = await stranger.request(method, f"/v1/messages/{message_id}/{path}")
            assert response.status_code == 404
            assert response.json()["error"]["code"] == "message_not_found"


async def test_a_visitor_resumes_with_the_token(
    client: Client, http: httpx.AsyncClient, talker: str
) -> None:
    """The publishable key alone is not enough."""
    key = await client.post(
        f"/v1/agents/{talker}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    visitor = Client(http, key["secret"] if "secret" in key else key["key"])
    streamed = await visitor.stream(talker, "Talk.")
    path = f"/v1/messages/{streamed.last['message_id']}/stream"
    token = {"X-Visitor-Token": streamed.last["visitor_token"]}
    assert (await visitor.request("GET", path)).status_code == 404
    assert (await visitor.request("GET", path, headers=token)).status_code == 200


async def test_an_answer_goes_on_without_its_client(client: Client, talker: str) -> None:
    """Disconnecting does not cancel, unless that was asked for."""
    async with client.streaming(talker, "Talk.") as (streamed, events):
        await anext(events)
        headers = streamed.headers

    async def answered() -> bool:
        path = f"/v1/conversations/{headers['X-Conversation-Id']}"
        return len((await client.get(path))["messages"]) == 2

    await eventually(answered)
    text = await stored(client, headers["X-Message-Id"], headers["X-Conversation-Id"])
    assert text.split() == [f"tok{n}" for n in range(PIECES)]
