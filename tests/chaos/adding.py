"""Sources that are added while things break: each is there in the end, whole and once."""

import asyncio
import random
from dataclasses import dataclass

import httpx

from libs.runtime.ids import new_id

EVERY = 3.0
"""Seconds between two sources."""
ROWS = (5, 60)
"""Rows of a file, at least and at most: each becomes a chunk."""
PAUSE = 0.5
"""Seconds before a source is sent again that nobody took, or perhaps somebody did."""
TAKEN = {200, 201}
"""A source that is there already is answered with 200: sent again it is not a second one."""


@dataclass(frozen=True)
class Added:
    """A source that was taken, and how many chunks it must have."""

    agent_id: str
    source_id: str
    rows: int


class Adding:
    """Uploads one file after another. `added` has all that were taken."""

    def __init__(
        self, http: httpx.AsyncClient, urls: list[str], key: str, agents: list[str], seed: int
    ) -> None:
        self._http = http
        self._urls = urls
        self._headers = {"Authorization": f"Bearer {key}"}
        self._agents = agents
        self._rng = random.Random(seed + 2)
        self.added: list[Added] = []

    async def run(self, meanwhile: asyncio.Task[None]) -> None:
        """Add sources until that is done."""
        while not meanwhile.done():
            await self._add(self._rng.choice(self._agents), self._rng.randint(*ROWS))
            await asyncio.sleep(EVERY)

    async def _add(self, agent_id: str, rows: int) -> None:
        name = new_id("file")
        lines = [f"Lamp {number} of {name},{number} pesos" for number in range(rows)]
        content = "\n".join(["product,price", *lines]).encode()
        while True:
            try:
                response = await self._http.post(
                    f"{self._rng.choice(self._urls)}/v1/agents/{agent_id}/sources/files",
                    files={"file": (f"{name}.csv", content)},
                    headers=self._headers,
                )
                if response.status_code in TAKEN:
                    self.added.append(Added(agent_id, response.json()["id"], rows))
                    return
            except httpx.TransportError:
                pass  # perhaps it was taken: the same file again is the same source
            await asyncio.sleep(PAUSE)
