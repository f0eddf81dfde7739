"""A rolling restart loses nothing."""

from pathlib import Path

import httpx

from tests.chaos.rolling import roll
from tests.flow.client import HOURS, Client
from tests.stack import running

RATE = 50.0
"""Requests a second."""


async def test_a_rolling_restart_loses_no_request(tmp_path: Path) -> None:
    """All ten processes, one after another, under load."""
    async with running(tmp_path, replicas=2) as stack:
        key = await stack.account(credits=1_000_000)
        async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
            agent_id = await Client(http, key).agent(HOURS, model="extractive")
        rolled = await roll(stack, key, agent_id, RATE)
    print(f"{rolled.answered} answers, {rolled.rate:.0f} a second, elsewhere: {rolled.elsewhere}")
    assert not rolled.lost
    assert len(rolled.restarted) == 10
