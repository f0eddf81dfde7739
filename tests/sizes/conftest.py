"""One system of its own for these tests, with a fake model, a receiver of webhooks and a site."""

from collections.abc import AsyncIterator

import httpx
import pytest

from tests.fakes.openai_server import FakeOpenAI, Script
from tests.fakes.webhook_receiver import Receiver, running_receiver
from tests.fakes.website import Website, page, running_website
from tests.flow.client import Client
from tests.stack import Stack, running

LETTER = "🙂"
LONG = (LETTER * 99 + " ") * 1_000
"""An answer of LLM_MAX_CHARACTERS characters of four bytes each."""
CONTROLS = ("\x01" * 99 + " ") * 1_000
MOST_RESPONSE = 1024 * 1024


@pytest.fixture(scope="package")
async def model() -> AsyncIterator[FakeOpenAI]:
    """A model that says much, strange things, or little but slowly."""
    async with FakeOpenAI(default=Script(tokens=20, interval_ms=40)) as fake:
        fake.scripts["long"] = Script(text=LONG, burst=50)
        fake.scripts["controls"] = Script(text=CONTROLS, burst=50)
        yield fake


@pytest.fixture(scope="package")
async def stack(
    tmp_path_factory: pytest.TempPathFactory, model: FakeOpenAI
) -> AsyncIterator[Stack]:
    """The whole system in one process."""
    async with running(
        tmp_path_factory.mktemp("sizes"),
        one_process=True,
        LLM_BASE_URL=model.base_url,
        LLM_API_KEY="test",
        # Vectors of no meaning, but at once: everything is relevant, and found by its words.
        EMBEDDINGS_BASE_URL=model.base_url,
        EMBEDDINGS_MODEL="fake",
        RETRIEVAL_MIN_RELEVANCE="0",
        ANSWER_THRESHOLD="0",
        CRAWL_PRIVATE_NETWORKS="127.0.0.1/32",
        CRAWL_DELAY="0.05",
        WEBHOOK_RETRY_DELAYS="0.2,0.5",
        # A hold that was written after its outcome, on a slow machine, is freed by then.
        HOLD_TTL="90",
        HOLD_SWEEP_INTERVAL="2",
        MAX_RESPONSE_BYTES=str(MOST_RESPONSE),
    ) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    """A client with the secret key of a new enterprise account."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=120) as http:
        yield Client(http, await stack.account())


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    """A receiver of webhooks."""
    async with running_receiver() as receiver:
        yield receiver


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """A site of some pages that takes a while to be read."""
    async with running_website() as site:
        site.pages["/"] = page("Home", "Welcome.", *(f"/{n}" for n in range(20)))
        for n in range(20):
            site.pages[f"/{n}"] = page(f"Page {n}", f"We sell lamp {n} for {n} pesos.")
        yield site
