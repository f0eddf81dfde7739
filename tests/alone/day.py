"""Everything that the product does, once, by `alonchat up`; its model, sites and receivers here.

The stack gets no settings but these: nothing that tells a library to be silent.
"""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx

from alonchat.stack import env_file
from alonchat.stack.embedded import free_port
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.webhook_receiver import running_receiver
from tests.fakes.website import page, running_website
from tests.flow.client import HOURS, Client
from tests.rag import documents
from tests.support.uploads import upload
from tests.waiting import eventually

STARTED = 90.0
"""Seconds that the stack and its demo get to be there."""
UPLOADED = {
    "Manual.pdf": documents.pdf([("Returns", "Broken bottles can be returned.")]),
    "Prices.docx": documents.word(("h1", "Prices"), ("p", "A lamp costs 300 pesos.")),
}


@asynccontextmanager
async def started(model: FakeOpenAI) -> AsyncIterator[Client]:
    """Run the stack; hand over a client with the demo's key."""
    port = free_port()
    env = os.environ | {
        "PORT": str(port),
        "LLM_BASE_URL": model.base_url,
        "LLM_MODEL": "plain",
        "CRAWL_PRIVATE_NETWORKS": "127.0.0.0/8",
        "LOG_LEVEL": "info",
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "alonchat", "up", env=env)
    demo = Path(env["DATA_DIR"]) / "demo.env"

    async def is_there() -> bool:
        assert process.returncode is None, "the stack did not start"
        return demo.exists()

    try:
        await eventually(is_there, timeout=STARTED)
        url = f"http://127.0.0.1:{port}"
        async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
            yield Client(http, env_file.read(demo)["ALONCHAT_SECRET_KEY"])
    finally:
        process.send_signal(signal.SIGINT)
        await process.wait()


async def main() -> None:
    """Sources of every kind, answers of every kind, webhooks; then stop."""
    async with AsyncExitStack() as stack:
        model = await stack.enter_async_context(FakeOpenAI())
        receiver = await stack.enter_async_context(running_receiver())
        site = await stack.enter_async_context(running_website())
        client = await stack.enter_async_context(started(model))
        site.pages |= {
            "/": page("Shop", "We sell lamps.", "/delivery"),
            "/delivery": page("Delivery", "We deliver to Cebu for 90 pesos."),
        }
        agent_id = await client.agent(HOURS, model="extractive")
        hook = {"name": "CRM", "endpoint_url": receiver.url("/hook"), "events": ["message.sent"]}
        await client.post(f"/v1/agents/{agent_id}/webhooks", hook)
        await client.agent_source(
            agent_id,
            {"type": "text", "title": "Shelves", "text": "Shelf 3 holds paint. " * 20},
            {"type": "website", "url": site.url(), "crawl": {"max_pages": 5}},
        )
        for name, content in UPLOADED.items():
            await upload(client, agent_id, name, content)
        await client.agent_source(agent_id)  # waits for all of them
        assert "9AM" in (await client.chat(agent_id, "What are your business hours?"))["response"]
        other = await client.agent(HOURS, model="plain")
        assert (await client.stream(other, "When do you open?")).names[-1] == "done"
        await receiver.wait_for_event("/hook", "message.sent")
        doctor = (sys.executable, "-m", "alonchat", "doctor")
        await (await asyncio.create_subprocess_exec(*doctor)).wait()
    print("the day is over", flush=True)


if __name__ == "__main__":
    asyncio.run(main())
