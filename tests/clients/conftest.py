"""One running system with a model that takes its time, and real clients before it."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from libs.runtime.ids import new_id
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.stack import Stack, running
from tests.waiting import eventually

HERE = Path(__file__).parent
HEARTBEAT = 0.2
PATIENCE = 120.0


@pytest.fixture(scope="package")
async def model() -> AsyncIterator[FakeOpenAI]:
    """The language model."""
    async with FakeOpenAI() as fake:
        yield fake


@pytest.fixture(scope="package")
async def stack(
    tmp_path_factory: pytest.TempPathFactory, model: FakeOpenAI
) -> AsyncIterator[Stack]:
    """The whole system in one process; it waits for its model as long as a test does."""
    async with running(
        tmp_path_factory.mktemp("clients"),
        one_process=True,
        LLM_BASE_URL=model.base_url,
        LLM_API_KEY="test",
        HEARTBEAT_INTERVAL=str(HEARTBEAT),
        ADDRESS_REQUESTS_PER_MINUTE="5",
        LLM_FIRST_TOKEN_TIMEOUT=str(PATIENCE),
        LLM_TOKEN_TIMEOUT=str(PATIENCE),
        LLM_TOTAL_TIMEOUT=str(PATIENCE),
    ) as stack:
        yield stack


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client without a key."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:
        yield client


@dataclass
class Talker:
    """An account with one agent, whose model is this test's own."""

    client: Client
    agent: str
    model: str
    fake: FakeOpenAI

    @property
    def asked(self) -> int:
        """How often the model was asked."""
        return sum(seen.body["model"] == self.model for seen in self.fake.chats)

    async def spent(self) -> int:
        """What was billed, in credits, once nothing is on hold any more."""

        async def is_settled() -> bool:
            return not (await self.client.get("/v1/credits"))["held"]

        await eventually(is_settled)
        entries = await self.client.get("/v1/credits/ledger")
        return -sum(int(one["credits"]) for one in entries["items"] if one["type"] == "debit")

    async def conversations(self) -> list[Any]:
        """Every conversation, oldest first, with its messages."""
        listed = await self.client.get(f"/v1/agents/{self.agent}/conversations")
        return [
            await self.client.get(f"/v1/conversations/{row['id']}") for row in listed["items"][::-1]
        ]


async def talker(stack: Stack, http: httpx.AsyncClient, fake: FakeOpenAI, script: Script) -> Talker:
    """Open an account whose agent answers like this."""
    name = new_id("model")
    fake.scripts[name] = script
    client = Client(http, await stack.account())
    return Talker(client, await client.agent(model=name), name, fake)


async def output(*command: str | Path, given: str = "") -> str:
    """Run a program to its end; return what it printed. It has to succeed."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        printed, complaint = await asyncio.wait_for(process.communicate(given.encode()), PATIENCE)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, complaint.decode()
    return printed.decode()


def lines_taken(lines: list[str]) -> dict[str, Any]:
    """Take the events out of a stream's lines, as programs without a library do."""
    name, text, events = "", "", []
    for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            text += json.loads(line.removeprefix("data: ")).get("text", "")
            events.append(name)
    return {"text": text, "events": events}
