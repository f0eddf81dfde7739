"""Rate limits hold over all replicas together."""

import asyncio
from collections import Counter, defaultdict
from typing import Any

import httpx

from libs.bus.bus import open_bus
from libs.contracts.accounts import CREATE_ACCOUNT, SET_PLAN, CreateAccount, SetPlan
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


async def with_many_keys(stack: Stack, http: httpx.AsyncClient, **limits: Any) -> list[str]:
    """Make an account with keys of every kind, then set its limits; return their secrets."""
    async with open_bus(stack.nats_url, "test") as bus:
        request = CreateAccount(name="Test", plan="enterprise", credits=100)
        created = await bus.call(CREATE_ACCOUNT, request)
        client = Client(http, created.secret_key)
        keys = [client.key]
        agents = [await client.agent(model="extractive") for _ in range(3)]
        for agent in agents:
            path = f"/v1/agents/{agent}/keys"
            page = {"type": "publishable", "allowed_origins": ["*"]}
            made = [await client.post(path, {"type": "secret"}), await client.post(path, page)]
            keys += [one["key"] for one in made]
            rotated = await client.post(f"{path}/{made[0]['id']}/rotate", {})
            keys.append(rotated["key"])
        account_id = created.account.id
        await bus.call(SET_PLAN, SetPlan(account_id=account_id, plan="free", **limits))
    return keys


async def test_many_keys_are_one_account(stack: Stack, https: list[httpx.AsyncClient]) -> None:
    """Its own keys, those of its agents, rotated and publishable ones, in parallel, in a minute."""
    keys = await with_many_keys(stack, https[0], requests_per_minute=40)
    path = "/v1/conversations/conv_none"
    answers = await asyncio.gather(
        *(
            Client(https[number % 2], keys[number % len(keys)]).request("GET", path)
            for number in range(100)
        )
    )
    windows: dict[str, Counter[int]] = defaultdict(Counter)
    for answer in answers:
        assert answer.status_code in {404, 429}
        windows[answer.headers["X-RateLimit-Reset"]][answer.status_code] += 1
    for passed in windows.values():
        # What went before the limits were set was counted as well.
        assert passed[404] <= 40
    assert sum(passed[429] for passed in windows.values()) >= 100 - 2 * 40


async def test_keys_and_agents_that_are_gone_free_nothing(
    stack: Stack, https: list[httpx.AsyncClient]
) -> None:
    """In a day's limit that is used up by one, whatever is made, deleted or revoked meanwhile."""
    keys = await with_many_keys(stack, https[0], requests_per_minute=1_000, requests_per_day=60)
    client = Client(https[0], keys[0])
    passed = 0
    for number in range(60):
        made = await client.request("POST", "/v1/agents", json={"name": f"Agent {number}"})
        passed += made.status_code == 201
        if made.status_code != 201:
            break
        gone = await client.request("DELETE", f"/v1/agents/{made.json()['id']}")
        passed += gone.status_code == 204
    assert passed <= 60 - 15  # which making the keys took, at least
    for http, key in zip([*https, *https], keys, strict=False):
        refused = await Client(http, key).request("GET", "/v1/conversations/conv_none")
        assert refused.status_code == 429, key[:3]
        assert int(refused.headers["Retry-After"]) > 0


async def test_pages_leave_something_for_the_servers(
    stack: Stack, https: list[httpx.AsyncClient]
) -> None:
    """Visitors, however many there are, can't use up what the owner's own servers need."""
    keys = await with_many_keys(stack, https[0], requests_per_minute=1_000, requests_per_day=100)
    visitors = [key for key in keys if key.startswith("pk_")]
    answers = await asyncio.gather(
        *(
            Client(https[number % 2], visitors[number % 3]).request(
                "GET",
                "/v1/conversations/conv_none",
                headers={"X-Forwarded-For": f"203.0.113.{number}"},
            )
            for number in range(110)
        )
    )
    counts = Counter(answer.status_code for answer in answers)
    assert set(counts) == {404, 429}
    assert counts[404] <= 80
    own = await Client(https[0], keys[0]).request("GET", "/v1/conversations/conv_none")
    assert own.status_code == 404


async def test_no_more_keys_than_there_may_be(clients: list[Client], shop: str) -> None:
    """Of thirty that are made at once, twenty; webhooks ten."""
    path = f"/v1/agents/{shop}"
    hook = {"name": "x", "endpoint_url": "http://127.0.0.1:9/", "events": ["message.sent"]}
    made = await asyncio.gather(
        *(
            clients[number % 2].request("POST", f"{path}/keys", json={"type": "secret"})
            for number in range(30)
        ),
        *(
            clients[number % 2].request("POST", f"{path}/webhooks", json=hook)
            for number in range(20)
        ),
    )
    listed = [(await clients[0].get(f"{path}/{what}"))["items"] for what in ("keys", "webhooks")]
    working = [answer.json() for answer in made if answer.status_code == 201]
    assert {one["id"] for one in working} == {one["id"] for one in [*listed[0], *listed[1]]}
    assert (len(listed[0]), len(listed[1])) == (20, 10)
