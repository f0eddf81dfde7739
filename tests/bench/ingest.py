"""`python -m tests.bench.ingest`: how fast large sources are indexed, and what chats notice."""

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import uvloop

from tests.bench.processes import megabytes
from tests.fakes.website import Website, page, running_website
from tests.flow.client import HOURS, Client
from tests.rag import documents
from tests.stack import Stack, running

PAGES, QUESTIONS, SITE_PAGES = 300, 5_000, 200
ALONE_SECONDS = 10.0
BETWEEN_CHATS = 0.05
PARAGRAPH = (
    "The warranty of article {article} covers repair and replacement for {months} months after "
    "the delivery. Keep the receipt, since the service desk asks for it. Articles bought on sale "
    "have half of that time. "
)

Add = Callable[[Client, str], Awaitable[httpx.Response]]


@dataclass
class Chats:
    """One chat after the other with an agent of its own; `ms` is how long each took."""

    client: Client
    agent_id: str
    ms: list[float] = field(default_factory=list)

    @asynccontextmanager
    async def going_on(self) -> AsyncIterator[None]:
        """Chat until the block ends."""
        self.ms.clear()
        chatting = asyncio.create_task(self._chat())
        try:
            yield
        finally:
            chatting.cancel()
            await asyncio.gather(chatting, return_exceptions=True)

    async def _chat(self) -> None:
        number = 0
        while True:
            number += 1
            started = time.perf_counter()
            question = f"What are your business hours on day {number}?"
            await self.client.chat(self.agent_id, question)
            self.ms.append((time.perf_counter() - started) * 1000)
            await asyncio.sleep(BETWEEN_CHATS)

    @property
    def figures(self) -> str:
        """p50 and p95 of what was measured."""
        hundredths = statistics.quantiles(self.ms, n=100)
        return f"chat p50 {hundredths[49]:.1f} ms, p95 {hundredths[94]:.1f} ms ({len(self.ms)})"


def manual() -> bytes:
    """A PDF of so many pages, each full of text."""
    pages = []
    for number in range(PAGES):
        text = [PARAGRAPH.format(article=number * 10 + n, months=n + 3) for n in range(12)]
        pages.append((f"Chapter {number}", "\n\n".join(text)))
    return documents.pdf(pages)


def questions() -> bytes:
    """A CSV file of so many questions with answers."""
    rows = (
        f"What does article {n} cost?,Article {n} costs {n * 3} pesos." for n in range(QUESTIONS)
    )
    return "\n".join(["question,answer", *rows]).encode()


def fill(site: Website) -> None:
    """Make a site of so many pages, all linked from the first."""
    numbers = range(1, SITE_PAGES)
    site.pages["/"] = page("Shop", "Welcome to our shop.", *(f"/{n}" for n in numbers))
    for n in numbers:
        text = "</p><p>".join(PARAGRAPH.format(article=n * 10 + k, months=k + 3) for k in range(4))
        site.pages[f"/{n}"] = page(f"Articles of shelf {n}", text)


def crawl(site: Website) -> Add:
    """Return what adds a website."""

    async def add(client: Client, agent_id: str) -> httpx.Response:
        body = {"type": "website", "url": site.url(), "crawl": {"max_pages": SITE_PAGES}}
        return await client.request("POST", f"/v1/agents/{agent_id}/sources", json=body)

    return add


def upload(name: str, content: bytes) -> Add:
    """Return what uploads a file."""

    async def add(client: Client, agent_id: str) -> httpx.Response:
        path = f"/v1/agents/{agent_id}/sources/files"
        return await client.request("POST", path, files={"file": (name, content)})

    return add


async def index(client: Client, agent_id: str, add: Add) -> tuple[int, float]:
    """Add a source and wait until it is ready; return its chunks and the seconds it took."""
    started = time.perf_counter()
    response = await add(client, agent_id)
    assert response.status_code == 201, response.text
    path = f"/v1/agents/{agent_id}/sources/{response.json()['id']}"
    # Another process makes it ready: there is nothing here to wait for but time.
    while (source := await client.get(path))["status"] in {"queued", "processing"}:  # noqa: ASYNC110
        await asyncio.sleep(0.2)
    assert source["status"] == "ready", source
    return int(source["chunks"]), time.perf_counter() - started


async def main() -> None:
    """Chat alone, then beside each ingestion; print what it took."""
    async with running_website() as site:
        fill(site)
        large: dict[str, Add] = {
            f"PDF of {PAGES} pages": upload("manual.pdf", manual()),
            f"CSV of {QUESTIONS:,} questions": upload("faq.csv", questions()),
            f"website of {SITE_PAGES} pages": crawl(site),
        }
        with tempfile.TemporaryDirectory(prefix="ingest-") as name:
            directory, own = Path(name), "127.0.0.0/8"
            async with running(directory, one_process=False, CRAWL_PRIVATE_NETWORKS=own) as stack:
                await measure(stack, large)


async def measure(stack: Stack, large: dict[str, Add]) -> None:
    """Add the sources one after the other to an agent, and chat with another one meanwhile."""
    key = await stack.account()
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
        client = Client(http, key)
        chats = Chats(client, await client.agent(HOURS, model="extractive"))
        other = await client.agent(model="extractive")
        async with chats.going_on():
            await asyncio.sleep(ALONE_SECONDS)
        print(f"alone: {chats.figures}", flush=True)
        for what, add in large.items():
            async with chats.going_on():
                chunks, seconds = await index(client, other, add)
            rate = f"{chunks:,} chunks in {seconds:.1f} s, {chunks / seconds:.0f}/s"
            print(f"{what}: {rate}; {chats.figures}", flush=True)
        print(f"rag: {megabytes(stack.pids['rag']):.0f} MB")


if __name__ == "__main__":
    uvloop.run(main())
