"""Every client that reads a stream: how it is run, and what text and events it ends up with."""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import httpx
import requests
import sseclient
from httpx_sse import aconnect_sse

from tests.clients.conftest import HERE, PATIENCE, lines_taken, output


@dataclass(frozen=True)
class Question:
    """What a client is to ask, and where; `headers` besides its own."""

    url: str
    key: str
    agent: str
    message: str
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def chat(self) -> str:
        """Where messages go."""
        return f"{self.url}/v1/agents/{self.agent}/chat"

    @property
    def body(self) -> dict[str, Any]:
        """The request, as JSON."""
        return {"message": self.message, "stream": True}

    @property
    def authorization(self) -> dict[str, str]:
        """The header with the key."""
        return {"Authorization": f"Bearer {self.key}"}

    def given(self, use: str) -> str:
        """What a program gets as its argument."""
        return json.dumps(vars(self) | {"use": use})


Run = Callable[[Question], Coroutine[Any, Any, dict[str, Any]]]


def _program(*command: str, use: str = "") -> Run:
    async def run(question: Question) -> dict[str, Any]:
        printed = await output(*command, question.given(use))
        return dict(json.loads(printed))

    return run


def _raw(*command: str) -> Run:
    async def run(question: Question) -> dict[str, Any]:
        return lines_taken((await output(*command, question.given(""))).split("\n"))

    return run


def _curl(*options: str) -> Run:
    async def run(question: Question) -> dict[str, Any]:
        headers = {**question.authorization, "Content-Type": "application/json"}
        given = [part for name, value in headers.items() for part in ("-H", f"{name}: {value}")]
        command = ["curl", "-sSN", *options, *given, "-d", json.dumps(question.body), question.chat]
        return lines_taken((await output(*command)).split("\n"))

    return run


async def _httpx_lines(question: Question) -> dict[str, Any]:
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as client,
        client.stream(
            "POST", question.chat, json=question.body, headers=question.authorization
        ) as response,
    ):
        return lines_taken([line async for line in response.aiter_lines()])


async def _httpx_sse(question: Question) -> dict[str, Any]:
    async with (
        httpx.AsyncClient(timeout=PATIENCE) as client,
        aconnect_sse(
            client, "POST", question.chat, json=question.body, headers=question.authorization
        ) as source,
    ):
        return _taken([(event.event, event.data) async for event in source.aiter_sse()])


async def _aiohttp(question: Question) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession() as client,
        client.post(question.chat, json=question.body, headers=question.authorization) as response,
    ):
        return lines_taken([line.decode().rstrip("\n") async for line in response.content])


def _requests(question: Question) -> requests.Response:
    return requests.post(
        question.chat,
        json=question.body,
        headers=question.authorization,
        stream=True,
        timeout=PATIENCE,
    )


async def _requests_lines(question: Question) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        with _requests(question) as response:
            response.encoding = "utf-8"
            return lines_taken([str(line) for line in response.iter_lines(decode_unicode=True)])

    return await asyncio.to_thread(read)


async def _sseclient(question: Question) -> dict[str, Any]:
    def read() -> dict[str, Any]:
        with _requests(question) as response:
            events = sseclient.SSEClient(iter(response)).events()
            return _taken([(event.event, event.data) for event in events])

    return await asyncio.to_thread(read)


def _taken(events: list[tuple[str, str]]) -> dict[str, Any]:
    text = "".join(json.loads(data).get("text", "") for _, data in events)
    return {"text": text, "events": [name for name, _ in events]}


def _node(name: str, use: str = "") -> Run:
    return _program("node", str(HERE / "node" / f"{name}.mjs"), use=use)


FETCH_EVENT_SOURCE = _node("fetch_event_source", "plain")
HIDDEN = _node("fetch_event_source", "hidden")

CLIENTS: dict[str, Run] = {
    "fetch-event-source": FETCH_EVENT_SOURCE,
    "fetch-event-source, as its README": _node("fetch_event_source", "readme"),
    "eventsource": _node("event_source", "eventsource"),
    "event-source-polyfill": _node("event_source", "polyfill"),
    "eventsource-parser": _node("eventsource_parser"),
    "the documentation's loop": _raw("node", str(HERE / "node" / "documentation.mjs")),
    "httpx": _httpx_lines,
    "httpx-sse": _httpx_sse,
    "aiohttp": _aiohttp,
    "requests": _requests_lines,
    "sseclient-py": _sseclient,
    "PHP curl": _program("php", str(HERE / "stream.php"), use="curl"),
    "PHP fopen": _program("php", str(HERE / "stream.php"), use="fopen"),
    "curl": _curl(),
    "curl --http2": _curl("--http2"),
}


def has_jdk() -> bool:
    """Whether this machine runs Java source; where it does not, curl --http2 asks as Java does."""
    if shutil.which("java") is None:
        return False
    modules = subprocess.run(["java", "--list-modules"], capture_output=True, check=False)
    return b"jdk.compiler" in modules.stdout


async def java(question: Question, whole: str) -> tuple[dict[str, Any], list[str]]:
    """Ask `whole` for JSON and the question for a stream; return the answer and the lines."""
    bodies = [json.dumps({"message": whole}), json.dumps(question.body)]
    printed = await output("java", str(HERE / "Stream.java"), question.chat, question.key, *bodies)
    statuses, answer, *lines = printed.split("\n")
    assert statuses == "200 200", printed
    return json.loads(answer), lines
