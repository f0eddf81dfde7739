"""Accounts see nothing of each other, at no endpoint that there is."""

from typing import Any

import httpx
import pytest

from libs.runtime.ids import new_id
from tests.flow.client import Client
from tests.security.conftest import Owned
from tests.stack import Stack
from tests.waiting import eventually

# A valid body for everything that takes one: what is refused is the id, not the body.
BODIES: dict[str, Any] = {
    "POST /v1/agents/{agent_id}/chat": {"message": "Hello?"},
    "POST /v1/agents": {"name": "Mine"},
    "PATCH /v1/agents/{agent_id}": {"name": "Mine"},
    "POST /v1/agents/{agent_id}/sources": {"type": "text", "title": "T", "text": "Text."},
    "POST /v1/agents/{agent_id}/sources/files": None,
    "PATCH /v1/agents/{agent_id}/sources/{source_id}": {"title": "Mine"},
    "POST /v1/agents/{agent_id}/sources/{source_id}/reindex": None,
    "POST /v1/agents/{agent_id}/keys": {"type": "secret"},
    "POST /v1/agents/{agent_id}/keys/{key_id}/rotate": {},
    "POST /v1/agents/{agent_id}/webhooks": {
        "name": "all",
        "endpoint_url": "http://127.0.0.1:9/",
        "events": ["message.sent"],
    },
    "PATCH /v1/agents/{agent_id}/webhooks/{webhook_id}": {"name": "Mine"},
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/pause": None,
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/resume": None,
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/rotate": {},
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/test": {},
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/replay": {"since": "2026-01-01T00:00:00Z"},
    "POST /v1/agents/{agent_id}/webhooks/{webhook_id}/deliveries/{delivery_id}/replay": None,
    "POST /v1/messages/{message_id}/cancel": None,
    "POST /v1/messages/{message_id}/feedback": {"rating": "up"},
}
WITHOUT_AN_ID = {
    "POST /v1/agents",
    "GET /v1/agents",
    "GET /v1/credits",
    "GET /v1/credits/ledger",
    "GET /v1/usage",
}
"""What is about the caller's account as a whole."""
FOR_VISITORS = {
    "POST /v1/agents/{agent_id}/chat",
    "GET /v1/messages/{message_id}/stream",
    "POST /v1/messages/{message_id}/cancel",
    "POST /v1/messages/{message_id}/feedback",
    "GET /v1/conversations/{conversation_id}",
}
"""All that a publishable key is for."""


async def call(client: Client, operation: tuple[str, str], ids: dict[str, str]) -> httpx.Response:
    """Call an operation with these ids and a valid body."""
    method, path = operation
    name = f"{method} {path}"
    body: dict[str, Any] = {"json": BODIES[name]} if method in {"POST", "PATCH"} else {}
    if path.endswith(("/files", "/file")):
        body = {"files": {"file": ("a.txt", b"Text.")}}
    return await client.request(method, path.format(**ids), **body)


def with_ids(operations: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Those that are about something with an id."""
    assert {f"{m} {p}" for m, p in operations if "{" not in p} == WITHOUT_AN_ID
    return [one for one in operations if "{" in one[1]]


async def test_a_strangers_ids_are_not_there(
    owner: Owned, stranger: Client, operations: list[tuple[str, str]]
) -> None:
    """404 for everything of another account, as for what never was."""
    for operation in with_ids(operations):
        theirs = await call(stranger, operation, owner.ids)
        nobodys = await call(stranger, operation, {name: new_id("x") for name in owner.ids})
        assert theirs.status_code == nobodys.status_code == 404, operation
        assert theirs.json()["error"]["code"] == nobodys.json()["error"]["code"]


async def test_a_strangers_ids_under_an_own_agent_are_not_there(
    owner: Owned, stranger: Client, operations: list[tuple[str, str]]
) -> None:
    """The agent is the caller's, what is asked of it is not."""
    mine = {"agent_id": await stranger.agent(model="extractive")}
    inner = [one for one in with_ids(operations) if one[1].count("{") > 1]
    assert inner
    for operation in inner:
        response = await call(stranger, operation, owner.ids | mine)
        assert response.status_code == 404, operation


async def test_lists_are_the_callers_own(
    owner: Owned, stranger: Client, operations: list[tuple[str, str]]
) -> None:
    """Nothing of the owner is in them, whatever cursor is sent."""
    for method, path in operations:
        if method != "GET" or "{" in path:
            continue
        for cursor in ({}, {"cursor": owner.ids["agent_id"]}):
            text = (await stranger.request("GET", path, params=cursor)).text
            assert not [one for one in owner.ids.values() if one in text], path


async def test_a_strangers_conversation_can_not_be_continued(
    owner: Owned, stranger: Client
) -> None:
    """Not from an own agent either; nothing is held for it."""
    agent_id = await stranger.agent(model="extractive")
    body = {"message": "Go on.", "conversation_id": owner.ids["conversation_id"]}
    response = await stranger.request("POST", f"/v1/agents/{agent_id}/chat", json=body)
    assert response.status_code == 404
    assert (await stranger.get("/v1/credits"))["held"] == 0


async def test_a_publishable_key_is_for_visitors_only(
    owner: Owned, operations: list[tuple[str, str]]
) -> None:
    """403 for all that is not chat; what it may ask for, it does not see without the token."""
    for operation in operations:
        response = await call(owner.publishable, operation, owner.ids)
        name = " ".join(operation)
        if name not in FOR_VISITORS:
            assert response.status_code == 403, name
        elif not name.endswith("/chat"):
            assert response.status_code == 404, name


async def test_without_a_key_nothing_is_there(
    owner: Owned, http: httpx.AsyncClient, operations: list[tuple[str, str]]
) -> None:
    """401 before anything is looked at, for no key and for one of the right form."""
    for key in ("none", "sk_" + "A" * 43):
        for operation in operations:
            response = await call(Client(http, key), operation, owner.ids)
            assert response.status_code == 401, operation


@pytest.fixture
async def neighbour(owner: Owned, http: httpx.AsyncClient) -> tuple[Client, dict[str, str]]:
    """A client with the secret key of another agent of the same account, and that agent's id."""
    agent_id = await owner.client.agent(model="extractive")
    made = await owner.client.post(f"/v1/agents/{agent_id}/keys", {"type": "secret"})
    return Client(http, made["key"]), {"agent_id": agent_id}


async def test_an_agents_key_sees_that_agent_only(
    owner: Owned, neighbour: tuple[Client, dict[str, str]], operations: list[tuple[str, str]]
) -> None:
    """404 for all of the account's other agents, under their path and under the own one."""
    client, own = neighbour
    for operation in with_ids(operations):
        assert (await call(client, operation, owner.ids)).status_code == 404, operation
        if operation[1].count("{") > 1:
            below = await call(client, operation, owner.ids | own)
            assert below.status_code == 404, operation
    for method, path in operations:
        if "{" not in path and path not in {"/v1/credits/ledger", "/v1/usage"}:
            assert (await call(client, (method, path), {})).status_code == 403, path


async def test_an_agents_key_sees_that_agents_money_only(
    owner: Owned, neighbour: tuple[Client, dict[str, str]]
) -> None:
    """Its entries and its usage; not the account's, nor another agent's, whatever is asked for."""
    client, own = neighbour
    answer = await client.chat(own["agent_id"], "What are your business hours?")

    async def billed() -> bool:
        entries = (await owner.client.get("/v1/credits/ledger"))["items"]
        return {answer["message_id"], owner.ids["message_id"]} <= {
            entry["message_id"] for entry in entries
        }

    await eventually(billed)
    for params in ({}, {"cursor": "zzz"}, {"agent_id": owner.ids["agent_id"]}):
        entries = (await client.get("/v1/credits/ledger", params=params))["items"]
        assert [entry["message_id"] for entry in entries] == [answer["message_id"]]
    assert [day["messages"] for day in (await client.get("/v1/usage"))["days"]] == [1]
    assert [day["messages"] for day in (await client.get("/v1/usage", params=own))["days"]] == [1]
    other = await client.request("GET", "/v1/usage", params={"agent_id": owner.ids["agent_id"]})
    assert other.status_code == 404
    assert sum(day["messages"] for day in (await owner.client.get("/v1/usage"))["days"]) == 2


async def test_an_agents_key_gets_no_events_of_the_accounts_money(
    owner: Owned, neighbour: tuple[Client, dict[str, str]]
) -> None:
    """It makes no webhook for them, and takes over none that the account made."""
    client, own = neighbour
    path = f"/v1/agents/{own['agent_id']}/webhooks"
    hook = {"name": "x", "endpoint_url": "http://127.0.0.1:9/", "events": ["credits.low"]}
    assert (await client.request("POST", path, json=hook)).status_code == 403
    mine = await client.post(path, hook | {"events": ["message.sent"]})
    theirs = await owner.client.post(path, hook)
    moved = {"endpoint_url": "http://127.0.0.1:10/"}
    for hook_id, change in ((mine["id"], {"events": ["credits.low"]}), (theirs["id"], moved)):
        refused = await client.request("PATCH", f"{path}/{hook_id}", json=change)
        assert refused.status_code == 403
    test = f"{path}/{theirs['id']}/test"
    sent = await owner.client.post(test, {"event": "credits.low"})
    delivery = f"{path}/{theirs['id']}/deliveries/{sent['delivery_id']}"

    async def logged() -> bool:
        return (await owner.client.request("GET", delivery)).status_code == 200

    await eventually(logged)
    assert (await client.request("GET", delivery)).status_code == 403


async def test_nobody_else_hears_of_the_accounts_credits(stack: Stack, owner: Owned) -> None:
    """A visitor, and an agent's key, learn that an answer can't be paid, and no more."""
    poor = Client(owner.client.http, await stack.account(credits=0))
    agent_id = await poor.agent(model="extractive")
    path = f"/v1/agents/{agent_id}/keys"
    page = {"type": "publishable", "allowed_origins": ["*"]}
    for body in ({"type": "secret"}, page):
        made = await poor.post(path, body)
        client = Client(poor.http, made["key"])
        refused = await client.request("POST", f"/v1/agents/{agent_id}/chat", json={"message": "x"})
        assert refused.status_code == 402
        assert not any(letter.isdigit() for letter in refused.json()["error"]["message"])
