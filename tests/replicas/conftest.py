"""Two processes of each service, and clients of each replica."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.openai_server import FakeOpenAI
from tests.flow.client import HOURS, Client
from tests.stack import Stack, running


@pytest.fixture(scope="package")
async def model() -> AsyncIterator[FakeOpenAI]:
    """The language model of agents that name none."""
    async with FakeOpenAI() as fake:
        yield fake


@pytest.fixture(scope="package")
async def stack(
    tmp_path_factory: pytest.TempPathFactory, model: FakeOpenAI
) -> AsyncIterator[Stack]:
    """The whole system, twice."""
    directory = tmp_path_factory.mktemp("replicas")
    async with running(
        directory, replicas=2, LLM_BASE_URL=model.base_url, LLM_API_KEY="test"
    ) as stack:
        yield stack


@pytest.fixture
async def https(stack: Stack) -> AsyncIterator[list[httpx.AsyncClient]]:
    """A plain HTTP client of each replica."""
    one, two = stack.urls
    async with (
        httpx.AsyncClient(base_url=one, timeout=60) as first,
        httpx.AsyncClient(base_url=two, timeout=60) as second,
    ):
        yield [first, second]


@pytest.fixture
async def key(stack: Stack) -> str:
    """The secret key of a new account."""
    return await stack.account()


@pytest.fixture
async def clients(https: list[httpx.AsyncClient], key: str) -> list[Client]:
    """A client of each replica with the same key."""
    return [Client(http, key) for http in https]


@pytest.fixture
async def shop(clients: list[Client]) -> str:
    """An agent that answers from its sources."""
    return await clients[0].agent(HOURS, model="extractive")
