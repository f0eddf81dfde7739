"""Rate limits hold over all replicas together."""

import asyncio
from collections import Counter, defaultdict

import httpx

from tests.flow.client import Client
from tests.stack import Stack

PER_MINUTE = 10
"""What the plan `free` has."""
PER_VISITOR = 20
"""What VISITOR_REQUESTS_PER_MINUTE is by default."""
PAGE = "https://shop.example"


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
    assert refused[429] > 20
    assert refused[200] <= 4 * PER_MINUTE  # two keys, at most two minutes


async def test_the_day_is_one_for_all_replicas(
    stack: Stack, https: list[httpx.AsyncClient]
) -> None:
    """A day's limit that is smaller than the minute's is what both replicas count together."""
    key = await stack.account(requests_per_minute=1_000, requests_per_day=25)
    clients = [Client(http, key) for http in https]
    responses = await asyncio.gather(
        *(clients[number % 2].request("GET", "/v1/credits") for number in range(60))
    )
    days: dict[str, Counter[int]] = defaultdict(Counter)
    for response in responses:
        days[response.headers["X-RateLimit-Reset"]][response.status_code] += 1
    for passed in days.values():
        assert passed[200] == min(25, passed.total())
    # A day's limit says when the day ends, and has nothing to do with the next minute.
    refused = next(response for response in responses if response.status_code == 429)
    assert int(refused.headers["X-RateLimit-Reset"]) % (24 * 60 * 60) == 0


async def test_a_visitor_is_one_for_all_replicas(
    https: list[httpx.AsyncClient], clients: list[Client], shop: str
) -> None:
    """The tokens that two visitors of one page got have a limit each, over both replicas."""
    made = await clients[0].post(
        f"/v1/agents/{shop}/keys", {"type": "publishable", "allowed_origins": [PAGE]}
    )
    pages = [Client(http, made["key"]) for http in https]
    headers = {"Origin": PAGE}
    first, second = [
        (await page.post(f"/v1/agents/{shop}/chat", {"message": "Hours?"}, headers=headers))
        for page in pages
    ]
    windows: dict[str, Counter[int]] = defaultdict(Counter)
    flood = headers | {"X-Visitor-Token": first["visitor_token"]}
    path = f"/v1/conversations/{first['conversation_id']}"
    for response in await asyncio.gather(
        *(pages[n % 2].request("GET", path, headers=flood) for n in range(50))
    ):
        windows[response.headers["X-RateLimit-Reset"]][response.status_code] += 1
    for passed in windows.values():
        assert passed[200] == min(PER_VISITOR, passed.total())
    calm = headers | {"X-Visitor-Token": second["visitor_token"]}
    own = f"/v1/conversations/{second['conversation_id']}"
    for page in pages:
        assert (await page.request("GET", own, headers=calm)).status_code == 200
