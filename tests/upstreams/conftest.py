"""One system before a model server that does everything odd there is; all cases run at once."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import httpx
import pytest

from tests.fakes.raw_model_server import RawModelServer
from tests.flow.client import Client, Streamed
from tests.stack import Stack, running
from tests.upstreams import endings, errors, parameters, text, thoughts
from tests.upstreams import time as waiting
from tests.upstreams.case import Case

SECTIONS = {
    "text": text.CASES,
    "endings": endings.CASES,
    "thoughts": thoughts.CASES,
    "errors": errors.CASES,
    "parameters": parameters.CASES,
    "time": waiting.CASES,
}
CASES: list[Case] = list(chain.from_iterable(SECTIONS.values()))
AT_ONCE = 60
"""Cases that run together: the machine has two cores, and others need them."""
SOON = 10.0
"""Seconds; a case that has to be over before that is not run beside the others."""


@dataclass
class Asked:
    """One question, how it was answered and what is stored of it."""

    as_stream: bool
    status: int
    headers: httpx.Headers
    text: str
    last: dict[str, Any]
    requests: int
    seconds: float
    stored: dict[str, Any]

    @property
    def error(self) -> dict[str, Any] | None:
        """The error's envelope, None for an answer."""
        return self.last.get("error")


@dataclass
class Result:
    """What came of a case: a stream, then JSON, in one conversation."""

    asked: list[Asked]
    prompts: str


@dataclass
class World:
    """Everything that runs, and what came of it."""

    stack: Stack
    server: RawModelServer
    client: Client
    results: dict[str, Result]
    credits: int


@pytest.fixture(scope="package")
async def upstreams(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """The results of all cases."""
    directory = tmp_path_factory.mktemp("upstreams")
    async with (
        RawModelServer({case.name: case.happens for case in CASES}) as server,
        running(
            directory,
            one_process=True,
            LLM_BASE_URL=server.base_url,
            LLM_API_KEY="sk-test",
            LLM_FIRST_TOKEN_TIMEOUT="6",
            LLM_TOKEN_TIMEOUT="4",
            LLM_TOTAL_TIMEOUT="18",
            HEARTBEAT_INTERVAL="1",
        ) as stack,
        httpx.AsyncClient(
            base_url=stack.url, timeout=90, limits=httpx.Limits(max_connections=200)
        ) as http,
    ):
        client = Client(http, await stack.account(credits=100_000))
        gate = asyncio.Semaphore(AT_ONCE)

        async def run(case: Case) -> tuple[str, Result]:
            async with gate:
                return case.name, await _ask_twice(case, client, server)

        # The longest first, so that the whole takes no longer than they do; those that are to be
        # over soon when the machine has nothing else to do.
        ordered = sorted(CASES, key=lambda case: case not in waiting.CASES)
        found = await asyncio.gather(*(run(case) for case in ordered if not _is_soon(case)))
        found += await asyncio.gather(*(run(case) for case in ordered if _is_soon(case)))
        yield World(stack, server, client, dict(found), 100_000)


def _is_soon(case: Case) -> bool:
    return case.seconds is not None and case.seconds < SOON


async def _ask_twice(case: Case, client: Client, server: RawModelServer) -> Result:
    agent = await client.post("/v1/agents", {"name": "Shop", "model": case.name} | case.agent)
    first = await _asked(case, client, server, agent["id"], None)
    conversation = first.headers["x-conversation-id"]
    second = await _asked(case, client, server, agent["id"], conversation)
    prompts = str([request.body.get("messages") for request in server.requests[case.name]])
    return Result([first, second], prompts)


async def _asked(
    case: Case, client: Client, server: RawModelServer, agent: str, conversation: str | None
) -> Asked:
    before = len(server.requests[case.name])
    begun = time.monotonic()
    fields = {"conversation_id": conversation} if conversation else {}
    if conversation is None:
        streamed = await _streamed(client, agent)
        seconds = time.monotonic() - begun
        status, headers, text, last = 200, streamed.headers, streamed.text, streamed.last
    else:
        body = {"message": "Are you sure?"} | fields
        response = await client.request("POST", f"/v1/agents/{agent}/chat", json=body)
        seconds = time.monotonic() - begun
        status, headers, last = response.status_code, response.headers, response.json()
        text = last.get("response", "")
    requests = len(server.requests[case.name]) - before
    stored = await client.get(f"/v1/conversations/{conversation or headers['x-conversation-id']}")
    return Asked(
        conversation is None,
        status,
        headers,
        text,
        last,
        requests,
        seconds,
        stored["messages"][-1],
    )


async def _streamed(client: Client, agent: str) -> Streamed:
    """Ask for a stream, and read it as bytes: the texts have every kind of line end in them."""
    body = {"message": "When do you open?", "stream": True}
    response = await client.request("POST", f"/v1/agents/{agent}/chat", json=body)
    assert response.status_code == 200, response.text
    streamed = Streamed(response.headers)
    name = ""
    for line in response.content.split(b"\n"):
        if line.startswith(b"event: "):
            name = line.removeprefix(b"event: ").decode()
        elif line.startswith(b"data: "):
            streamed.events.append((name, json.loads(line.removeprefix(b"data: "))))
    return streamed
