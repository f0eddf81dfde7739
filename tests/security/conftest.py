"""One running system, an account with one of everything, and a stranger."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.flow.client import HOURS, Client
from tests.stack import Stack, running

LLM_KEY = "sk-upstream-secret-that-nobody-may-see"


@pytest.fixture(scope="package")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole system in one process, saying all it ever says to its log."""
    directory = tmp_path_factory.mktemp("security")
    async with (
        FakeOpenAI() as model,
        running(
            directory,
            one_process=True,
            LLM_BASE_URL=model.base_url,
            LLM_API_KEY=LLM_KEY,
            LOG_LEVEL="debug",
            REQUEST_TIMEOUT="3",
            VISITOR_REQUESTS_PER_MINUTE="1000",
            REFUSALS_AT_ONCE="100000",
        ) as stack,
    ):
        yield stack


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
        yield http


@dataclass
class Owned:
    """An account's client, and the ids and secrets of what it has, by path parameter."""

    client: Client
    ids: dict[str, str]
    publishable: Client
    secrets: dict[str, str]


@pytest.fixture
async def owner(stack: Stack, http: httpx.AsyncClient) -> Owned:
    """An account with one of everything."""
    client = Client(http, await stack.account())
    agent_id = await client.agent(HOURS, model="extractive")
    path = f"/v1/agents/{agent_id}"
    secret, publishable, hook, sources, answer = await asyncio.gather(
        client.post(f"{path}/keys", {"type": "secret"}),
        client.post(f"{path}/keys", {"type": "publishable", "allowed_origins": ["*"]}),
        client.post(
            f"{path}/webhooks",
            {"name": "all", "endpoint_url": "http://127.0.0.1:9/", "events": ["message.sent"]},
        ),
        client.get(f"{path}/sources"),
        client.chat(agent_id, "What are your business hours?"),
    )
    delivery = await client.post(f"{path}/webhooks/{hook['id']}/test", {})
    return Owned(
        client,
        {
            "agent_id": agent_id,
            "key_id": secret["id"],
            "source_id": sources["items"][0]["id"],
            "webhook_id": hook["id"],
            "delivery_id": delivery["delivery_id"],
            "conversation_id": answer["conversation_id"],
            "message_id": answer["message_id"],
        },
        Client(http, publishable["key"]),
        {"key": secret["key"], "publishable": publishable["key"], "webhook": hook["secret_key"]},
    )


@pytest.fixture
async def stranger(stack: Stack, http: httpx.AsyncClient) -> Client:
    """A client of another account."""
    return Client(http, await stack.account())


@pytest.fixture
async def operations(http: httpx.AsyncClient) -> list[tuple[str, str]]:
    """Method and path of everything that the API documents and that needs a key."""
    document: dict[str, Any] = (await http.get("/docs/openapi.json")).json()
    return [
        (method.upper(), path)
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if "401" in operation["responses"]
    ]
