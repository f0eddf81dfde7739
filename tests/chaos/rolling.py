"""Every process of a running system is restarted, one after another, while requests come in."""

import asyncio
import itertools
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from tests.stack import Stack


@dataclass
class Rolled:
    """What became of the requests. `lost` says of each one that was not answered how it ended."""

    answered: int = 0
    lost: list[str] = field(default_factory=list)
    elsewhere: int = 0
    seconds: float = 0.0
    restarted: Counter[str] = field(default_factory=Counter)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answered / self.seconds


async def roll(stack: Stack, key: str, agent_id: str, rate: float) -> Rolled:
    """Restart everything under `rate` requests a second; each must get its answer."""
    rolled = Rolled()
    restarting = asyncio.create_task(_restart_all(stack, rolled))
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    began = time.monotonic()
    async with (
        httpx.AsyncClient(timeout=60, limits=limits, trust_env=False) as http,
        asyncio.TaskGroup() as group,
    ):
        for number in itertools.count():
            group.create_task(_ask(http, stack.urls, key, agent_id, number, rolled))
            await asyncio.sleep(began + (number + 1) / rate - time.monotonic())
            if restarting.done():
                break
    await restarting
    rolled.seconds = time.monotonic() - began
    return rolled


async def _restart_all(stack: Stack, rolled: Rolled) -> None:
    for name in sorted(stack.processes):
        await stack.drain(name)
        stack.restart(name)
        await stack.ready()
        rolled.restarted[name] += 1


async def _ask(
    http: httpx.AsyncClient, urls: list[str], key: str, agent_id: str, number: int, rolled: Rolled
) -> None:
    """Ask one replica, the next one when nobody listens there, as a load balancer does."""
    for attempt in itertools.count(number):
        try:
            response = await http.post(
                f"{urls[attempt % len(urls)]}/v1/agents/{agent_id}/chat",
                json={"message": "What are your business hours?"},
                headers={"Authorization": f"Bearer {key}"},
            )
        except httpx.ConnectError:
            rolled.elsewhere += 1
            await asyncio.sleep(0.01)
            continue
        except httpx.TransportError as error:
            rolled.lost.append(repr(error))
            return
        if response.status_code == 200:
            rolled.answered += 1
        else:
            rolled.lost.append(f"{response.status_code} {response.text[:200]}")
        return
