"""What chatting costs."""

import asyncio

import httpx

from tests.flow.client import HOURS, Client
from tests.stack import Stack
from tests.support.credits import settled


async def test_each_answer_is_one_entry_of_the_ledger(
    stack: Stack, http: httpx.AsyncClient
) -> None:
    """Balance, ledger and usage agree with what the answers said they cost."""
    client = Client(http, await stack.account(credits=100))
    agent_id = await client.agent(HOURS, model="extractive")
    answers = await asyncio.gather(*(client.chat(agent_id, f"Open at {n}?") for n in range(10)))
    spent = sum(answer["credits_used"] for answer in answers)
    assert await settled(client) == 100 - spent
    ledger = await client.get("/v1/credits/ledger")
    debits = [entry for entry in ledger["items"] if entry["type"] == "debit"]
    assert {entry["message_id"] for entry in debits} == {a["message_id"] for a in answers}
    assert sum(entry["credits"] for entry in ledger["items"]) == 100 - spent
    usage = await client.get("/v1/usage")
    assert sum(day["messages"] for day in usage["days"]) == 10
    assert sum(day["credits"] for day in usage["days"]) == spent


async def test_without_credits_there_is_no_answer(stack: Stack, http: httpx.AsyncClient) -> None:
    """Exactly as many of the concurrent messages are answered as can be paid; the rest is 402."""
    client = Client(http, await stack.account(credits=3))
    agent_id = await client.agent(HOURS, model="extractive")
    responses = await asyncio.gather(
        *(
            client.request("POST", f"/v1/agents/{agent_id}/chat", json={"message": "Open?"})
            for _ in range(8)
        )
    )
    assert sorted(response.status_code for response in responses) == [200] * 3 + [402] * 5
    refused = next(response for response in responses if response.status_code == 402)
    assert refused.json()["error"]["code"] == "insufficient_credits"
    assert await settled(client) == 0


async def test_the_ledger_is_paged(stack: Stack, http: httpx.AsyncClient) -> None:
    """Following the cursor shows every entry once, newest first."""
    client = Client(http, await stack.account(credits=100))
    agent_id = await client.agent(HOURS, model="extractive")
    for n in range(4):
        await client.chat(agent_id, f"Open at {n}?")
    await settled(client)
    seen: list[str] = []
    cursor = None
    while True:
        params = {"limit": 2} | ({"cursor": cursor} if cursor else {})
        listed = await client.get("/v1/credits/ledger", params=params)
        seen += [entry["id"] for entry in listed["items"]]
        cursor = listed["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 5
    assert seen == sorted(seen, reverse=True)
