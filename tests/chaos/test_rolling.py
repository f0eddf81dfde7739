"""A rolling restart loses nothing."""

import asyncio
import time
from pathlib import Path

import httpx

from tests.chaos.rolling import roll
from tests.flow.client import HOURS, Client
from tests.stack import running

MOST_RATE = 50.0
"""Requests a second."""
SHARE = 0.4
"""Of what the system can do on this machine: with one process of ten away it has to keep up."""
PROBES = 40
"""Requests by which that is measured, four at a time."""


async def rate_of(http: httpx.AsyncClient, key: str, agent_id: str) -> float:
    """Requests a second that are far from too many."""
    client, gate = Client(http, key), asyncio.Semaphore(4)

    async def ask() -> None:
        async with gate:
            await client.post(f"/v1/agents/{agent_id}/chat", {"message": "When are you open?"})

    await ask()
    began = time.monotonic()
    await asyncio.gather(*(ask() for _ in range(PROBES)))
    return min(MOST_RATE, SHARE * PROBES / (time.monotonic() - began))


async def test_a_rolling_restart_loses_no_request(tmp_path: Path) -> None:
    """All ten processes, one after another, under load."""
    async with running(tmp_path, replicas=2) as stack:
        key = await stack.account(credits=1_000_000)
        async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
            agent_id = await Client(http, key).agent(HOURS, model="extractive")
            rate = await rate_of(http, key, agent_id)
        rolled = await roll(stack, key, agent_id, rate)
    print(f"{rolled.answered} answers, {rolled.rate:.0f} a second, elsewhere: {rolled.elsewhere}")
    assert not rolled.lost
    assert len(rolled.restarted) == 10
