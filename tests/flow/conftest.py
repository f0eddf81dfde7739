"""One running system for all flow tests: once as five processes, once as a single one."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.webhook_receiver import Receiver, running_receiver
from tests.flow.client import HOURS, Client
from tests.stack import Stack, running


@pytest.fixture(scope="package")
async def model() -> AsyncIterator[FakeOpenAI]:
    """The language model that agents use unless they name `extractive`."""
    async with FakeOpenAI() as fake:
        yield fake


@pytest.fixture(scope="package", params=["five processes", "one process"])
async def stack(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    model: FakeOpenAI,
) -> AsyncIterator[Stack]:
    """The whole system, with the fake model behind it."""
    directory = tmp_path_factory.mktemp("flow")
    one_process = request.param == "one process"
    async with running(
        directory,
        one_process=one_process,
        LLM_BASE_URL=model.base_url,
        LLM_API_KEY="test",
        LLM_FIRST_TOKEN_TIMEOUT="6",
    ) as stack:
        yield stack


@pytest.fixture
async def http(stack: Stack) -> AsyncIterator[httpx.AsyncClient]:
    """A plain HTTP client without a key."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as client:
        yield client


@pytest.fixture
async def client(stack: Stack, http: httpx.AsyncClient) -> Client:
    """A client with the secret key of a new enterprise account."""
    return Client(http, await stack.account())


@pytest.fixture
async def shop(client: Client) -> str:
    """An agent that knows its business hours and answers from its sources."""
    return await client.agent(HOURS, model="extractive")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A webhook receiver of this test's own."""
    async with running_receiver() as receiver:
        yield receiver
