"""A slow answer is asked for once, billed once, and arrives to the character, in every client."""

import asyncio
import json

import httpx
import pytest

from tests.clients.asking import CLIENTS, Question, has_jdk, java
from tests.clients.conftest import Talker, lines_taken, talker
from tests.clients.tap import Tap
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.stack import Stack

TEXT = "Pô ₱1,500 señor\u2028日本\u0085👩‍👩‍👧 \x1f \x7f «ok»\n\nbye"
SLOW = Script(text=TEXT, stall_after=0)
HEARTBEATS = 4
ENDED = {
    # Told in the way of each that there is no more: the status with which its second request ends.
    "fetch-event-source, as its README": 409,
    "eventsource": 204,
    "event-source-polyfill": 409,
}
JAVA = has_jdk()


async def heard_nothing(tap: Tap) -> None:
    """Return when the client had several heartbeats and no text."""
    await tap.until(lambda tap: tap.answered.count(b": keep-alive") >= HEARTBEATS)
    assert b"event: text" not in tap.answered


async def asked_once(asker: Talker) -> None:
    """One message, one answer, one debit."""
    assert asker.asked == 1
    (conversation,) = await asker.conversations()
    _, answer = conversation["messages"]
    assert answer["content"] == TEXT
    assert await asker.spent() == answer["credits_used"]


async def test_every_client(stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI) -> None:
    """All at once: the model is silent until each has seen several heartbeats."""
    model.pause()
    port = stack.ports["all"]
    askers = {name: await talker(stack, http, model, SLOW) for name in CLIENTS}
    taps = {name: Tap(port) for name in CLIENTS}

    async def ask(name: str) -> None:
        async with taps[name] as tap:
            question = Question(tap.url, askers[name].client.key, askers[name].agent, "Magkano?")
            seen = await CLIENTS[name](question)
            assert seen["text"] == TEXT, name
            assert seen["events"][0] == "sources", name
            assert seen["events"][-1] == "done", name
            assert set(seen["events"][1:-1]) == {"text"}, name

    async with asyncio.TaskGroup() as group:
        for name in CLIENTS:
            group.create_task(ask(name), name=name)
        for tap in taps.values():
            await heard_nothing(tap)
        model.resume()
    for name in CLIENTS:
        await asked_once(askers[name])
        requests = taps[name].asked.count(b" HTTP/1.1\r\n")
        if name in ENDED:
            assert taps[name].answered.count(f"HTTP/1.1 {ENDED[name]}".encode()) == 1
            assert requests == (2 if taps[name].posts == 2 else 3)
        else:
            assert requests == 1


@pytest.mark.skipif(not JAVA, reason="no JDK here: `curl --http2` asks in the same way")
async def test_java(stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI) -> None:
    """Its offer of HTTP/2 changes nothing, whole and as a stream."""
    model.pause()
    asker = await talker(stack, http, model, SLOW)
    async with Tap(stack.ports["all"]) as tap, asyncio.TaskGroup() as group:
        question = Question(tap.url, asker.client.key, asker.agent, "Magkano?")
        asking = group.create_task(java(question, "Open?"))
        await heard_nothing(tap)
        model.resume()
        answer, lines = await asking
    assert answer["response"] == TEXT
    assert lines_taken(lines)["text"] == TEXT
    done = [line for line in lines if line.startswith("data: ")][-1]
    assert json.loads(done.removeprefix("data: "))["finish_reason"] == "stop"
    assert asker.asked == 2
    assert await asker.spent() == 2 * answer["credits_used"]
