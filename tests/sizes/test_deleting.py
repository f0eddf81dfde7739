"""Deleting wins over what is under way: nothing of a deleted agent is left, in any store.

Agents are deleted at random moments while they answer, ingest, crawl, deliver and get keys. Then
every collection, the index and the bucket are searched for their ids.
"""

import asyncio
import random
from collections.abc import Coroutine
from datetime import timedelta
from pathlib import Path
from typing import Any

from libs.bus.bus import Bus, open_bus
from libs.bus.files import open_files
from libs.runtime.mongo import Database, open_mongo
from services.rag.index.embedded import open_embedded_index
from tests.fakes.webhook_receiver import Receiver
from tests.fakes.website import Website
from tests.flow.client import Client
from tests.stack import Stack
from tests.waiting import eventually, nothing_waits

AGENTS = 12
SEED = 13
KEPT = {"ledger", "api_deleted_agents", "rag_deleted_agents", "webhooks_deleted_agents"}
"""Collections that may name a deleted agent: what was paid, and that it is deleted."""
TEXT = "We sell lamps of many kinds, and each has a price of its own. " * 300
CSV = "\n".join(["product,price", *(f"Lamp {n},{n} pesos" for n in range(300))]).encode()


class Life:
    """One agent, all that happens to it, and its end."""

    def __init__(self, client: Client, receiver: Receiver, site: Website, seed: int) -> None:
        self.client = client
        self.receiver = receiver
        self.site = site
        self.chance = random.Random(seed)
        self.id = ""

    async def live(self) -> None:
        """Do everything at once, and be deleted meanwhile."""
        self.id = str((await self.client.post("/v1/agents", {"name": "Shop"}))["id"])
        await self._post("webhooks", self._hook())
        busy = [asyncio.create_task(one) for one in self._everything()]
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        response = await self.client.request("DELETE", f"/v1/agents/{self.id}")
        assert response.status_code == 204, response.text
        answers = await asyncio.gather(*busy)
        assert {answer.status_code for answer in answers} <= {200, 201, 404, 409, 503, 500}

    def _everything(self) -> list[Coroutine[Any, Any, Any]]:
        text = {"type": "text", "title": "Lamps", "text": TEXT}
        site = {"type": "website", "url": self.site.url(), "crawl": {"max_pages": 50}}
        return [
            *(self._post("chat", {"message": f"Lamp {n}?"}) for n in range(3)),
            self._post("sources", text),
            self._post("sources", site),
            self._later("sources", {"type": "qa", "question": "Open?", "answer": "Yes."}),
            self._post("sources/files", files={"file": ("prices.csv", CSV)}),
            self._later("sources/files", files={"file": ("later.csv", CSV + b"\n")}),
            self._later("keys", {"type": "secret", "name": "later"}),
            self._later("webhooks", self._hook()),
            self._later("chat", {"message": "Still there?"}),
        ]

    async def _later(self, path: str, body: Any = None, **options: Any) -> Any:
        await asyncio.sleep(self.chance.uniform(0, 1.5))
        return await self._post(path, body, **options)

    async def _post(self, path: str, body: Any = None, **options: Any) -> Any:
        url = f"/v1/agents/{self.id}/{path}"
        return await self.client.request("POST", url, json=body, **options)

    def _hook(self) -> dict[str, Any]:
        events = ["message.received", "message.sent", "source.ready", "source.failed"]
        url = self.receiver.url(f"/{self.id}")
        return {"name": "all", "endpoint_url": url, "events": events}


async def test_nothing_of_deleted_agents_is_left(
    stack: Stack, client: Client, receiver: Receiver, site: Website
) -> None:
    """In Mongo, in the bucket of files, in the index; and no credits are held."""
    async with open_bus(stack.nats_url, "test") as bus:
        before = set(await all_files(bus))
    lives = [Life(client, receiver, site, SEED + number) for number in range(AGENTS)]
    await asyncio.gather(*(life.live() for life in lives))
    ids = {life.id for life in lives}
    async with open_bus(stack.nats_url, "test") as bus, open_mongo(stack.mongo_url, "x") as other:
        database = other.client[stack.env.get("MONGO_DATABASE", "alonchat")]
        await eventually(lambda: nothing_waits(bus), timeout=120)
        await eventually(lambda: nothing_held(client), timeout=150)
        assert await named_in(database, ids) == {}
        assert set(await all_files(bus)) <= before
    quiet = len(receiver.received)
    stack.stop()
    left = await chunks_of(stack.directory, ids)
    stack.start("all", [])  # other tests use it after this one
    await stack.ready()
    assert left == 0
    assert len(receiver.received) == quiet


async def all_files(bus: Bus) -> list[str]:
    """Return the ids of all files in the bucket, other agents' as well."""
    return await (await open_files(bus, 1)).older_than(timedelta(seconds=-60))


async def nothing_held(client: Client) -> bool:
    """Whether every answer was paid or given back."""
    return bool((await client.get("/v1/credits"))["held"] == 0)


async def named_in(database: Database, ids: set[str]) -> dict[str, list[Any]]:
    """Return the documents that name one of these, by collection."""
    found: dict[str, list[Any]] = {}
    for name in await database.list_collection_names():
        documents = [one async for one in database[name].find({})]
        naming = [one for one in documents if any(each in repr(one) for each in ids)]
        if naming and name not in KEPT:
            found[name] = naming
    return found


async def chunks_of(directory: Path, ids: set[str]) -> int:
    """Count what the index has of these agents; nobody else has it open any more."""
    opening = open_embedded_index(
        directory / "index", collection="alonchat_chunks", dimensions=384, flush_seconds=60
    )
    async with opening as index:
        return sum([await index.count(agent_id) for agent_id in ids])
