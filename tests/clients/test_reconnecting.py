"""Libraries that repeat the POST when they lose the stream get the rest of it, and pay once."""

import asyncio
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.clients.asking import FETCH_EVENT_SOURCE, HIDDEN, Question, Run
from tests.clients.conftest import Talker, talker
from tests.clients.tap import Tap
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.stack import Stack

SPOKEN = 3
TOKENS = 12
WHOLE = "".join(f"tok{n} " for n in range(TOKENS))
HALTING = Script(tokens=TOKENS, stall_after=SPOKEN)


@pytest.fixture
async def asker(stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI) -> Talker:
    """Whose model stops to wait."""
    model.pause()
    return await talker(stack, http, model, HALTING)


async def lost_and_found(stack: Stack, asker: Talker, run: Run, question: Question) -> Any:
    """Ask through a connection that is cut while the model waits, if the client does not itself."""
    async with Tap(stack.ports["all"]) as tap, asyncio.TaskGroup() as group:
        asking = group.create_task(run(replace(question, url=tap.url)))
        await tap.until(lambda tap: f"tok{SPOKEN - 1}".encode() in tap.answered)
        if run is FETCH_EVENT_SOURCE:
            tap.cut()
        await tap.until(lambda tap: tap.posts == 2)
        await tap.until(lambda tap: tap.answered.count(b"HTTP/1.1 200") == 2)
        asker.fake.resume()
        return await asking


@pytest.mark.parametrize("run", [FETCH_EVENT_SOURCE, HIDDEN], ids=["cut", "hidden tab"])
async def test_the_rest_of_the_answer(stack: Stack, asker: Talker, run: Run) -> None:
    """Each word once, though the page only adds up what comes; one message, billed once."""
    seen = await lost_and_found(
        stack, asker, run, Question("", asker.client.key, asker.agent, "Hello?")
    )
    assert (seen["text"], seen["requests"]) == (WHOLE, 2)
    assert asker.asked == 1
    [conversation] = await asker.conversations()
    assert [one["role"] for one in conversation["messages"]] == ["user", "assistant"]
    assert await asker.spent() == conversation["messages"][1]["credits_used"]


async def test_a_visitors_first_message_needs_a_key(stack: Stack, asker: Talker) -> None:
    """It has no token yet to be known by; the Idempotency-Key stands in for it."""
    made = await asker.client.post(
        f"/v1/agents/{asker.agent}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    headers = {
        "Origin": "https://shop.example",
        "Idempotency-Key": "6c8ce1f4-27a5-4a35-9f41-0d6b7e1c3a55",
    }
    question = Question("", made["key"], asker.agent, "Hello?", headers)
    seen = await lost_and_found(stack, asker, FETCH_EVENT_SOURCE, question)
    assert seen["text"] == WHOLE
    assert asker.asked == 1


async def test_what_is_no_reconnection(
    stack: Stack, http: httpx.AsyncClient, asker: Talker, model: FakeOpenAI
) -> None:
    """The same id with anything else, or by anybody else, is a new message; the end is the end."""
    model.resume()
    mine, path = asker.client, f"/v1/agents/{asker.agent}/chat"
    first = await mine.stream(asker.agent, "Hello?", metadata={"page": 1})
    last_text = [number for number, name in enumerate(first.names) if name == "text"][-1]
    same = {"message": "Hello?", "metadata": {"page": 1}, "stream": True}
    other_agent = await mine.agent(model=asker.model)
    stranger = Client(http, await stack.account())
    strange_agent = await stranger.agent(model=asker.model)

    async def sent(
        client: Client, path: str, body: dict[str, Any], event_id: str
    ) -> httpx.Response:
        headers = {"Last-Event-ID": event_id}
        return await client.request("POST", path, json=body, headers=headers)

    for client, to, body in (
        (mine, path, same | {"message": "Hello!"}),
        (mine, path, same | {"metadata": {"page": 2}}),
        (mine, f"/v1/agents/{other_agent}/chat", same),
        (stranger, f"/v1/agents/{strange_agent}/chat", same),
        (mine, path, same | {"stream": False}),
    ):
        answered = await sent(client, to, body, first.ids[last_text])
        assert answered.status_code == 200
        assert answered.headers["X-Message-Id"] != first.headers["X-Message-Id"]
    for event_id in ("1.3", "end", "msg_none.end", ".", "x" * 100):
        answered = await sent(mine, path, same, event_id)
        assert answered.headers["X-Message-Id"] != first.headers["X-Message-Id"]
    again = await sent(mine, path, same, first.ids[last_text])
    assert again.headers["X-Message-Id"] == first.headers["X-Message-Id"]
    assert again.headers["Idempotent-Replayed"] == "true"
    assert "event: text" not in again.text
    assert "event: done" in again.text
    ended = await sent(mine, path, same, first.ids[-1])
    assert (ended.status_code, ended.json()["error"]["code"]) == (409, "answer_ended")


async def test_a_failed_answer_is_asked_again(
    stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """Its end is no answer, and cost nothing."""
    asker = await talker(stack, http, model, Script(status=401, failures=1))
    failed = await asker.client.stream(asker.agent, "Hello?")
    assert failed.names[-1] == "error"
    again = await asker.client.request(
        "POST",
        f"/v1/agents/{asker.agent}/chat",
        json={"message": "Hello?", "stream": True},
        headers={"Last-Event-ID": failed.ids[-1]},
    )
    assert again.headers["X-Message-Id"] != failed.headers["X-Message-Id"]
    assert "event: done" in again.text
