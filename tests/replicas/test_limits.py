"""Rate limits hold over all replicas together."""

import asyncio
from collections import Counter, defaultdict

import httpx

from tests.flow.client import Client
from tests.stack import Stack

PER_MINUTE = 10
"""What the plan `free` has."""


async def test_the_limit_is_one_for_all_replicas(
    stack: Stack, https: list[httpx.AsyncClient]
) -> None:
    """Of 60 requests at once, half to each replica, exactly as many pass as the plan says."""
    key = await stack.account(plan="free")
    clients = [Client(http, key) for http in https]
    responses = await asyncio.gather(
        *(clients[number % 2].request("GET", "/v1/credits") for number in range(60))
    )
    windows: dict[str, Counter[int]] = defaultdict(Counter)
    for response in responses:
        windows[response.headers["X-RateLimit-Reset"]][response.status_code] += 1
    for passed in windows.values():  # one, or two when a minute began meanwhile
        assert set(passed) <= {200, 429}
        assert passed[200] == min(PER_MINUTE, passed.total())


async def test_a_flood_does_not_use_up_others(
    stack: Stack, https: list[httpx.AsyncClient], clients: list[Client]
) -> None:
    """While one key is refused over and over, another one gets every answer."""
    flooding = [Client(http, await stack.account(plan="free")) for http in https]
    stop = asyncio.Event()
    refused: Counter[int] = Counter()

    async def flood(client: Client) -> None:
        while not stop.is_set():
            response = await client.request("GET", "/v1/credits")
            refused[response.status_code] += 1
            if response.status_code == 429:
                assert int(response.headers["Retry-After"]) > 0

    async with asyncio.TaskGroup() as group:
        for number in range(10):
            group.create_task(flood(flooding[number % 2]))
        calm = [await clients[n % 2].request("GET", "/v1/credits") for n in range(50)]
        stop.set()
    assert {response.status_code for response in calm} == {200}
    assert refused[429] > 50
    assert refused[200] <= 4 * PER_MINUTE  # two keys, at most two minutes
