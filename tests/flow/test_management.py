"""The management API: what the vendor's dashboard does, by HTTP."""

import json
from pathlib import Path

import httpx

from tests.fakes.webhook_receiver import Receiver
from tests.flow.client import HOURS, Client
from tests.stack import Stack
from tests.waiting import eventually

TEXT = {
    "type": "text",
    "title": "Delivery",
    "text": "We deliver within Cebu City for 80 pesos. Orders above 1,500 pesos ship for free.",
}

DOCS = Path(__file__).parents[2] / "docs"


async def test_agents_are_created_changed_listed_and_deleted(client: Client) -> None:
    """The life of an agent."""
    created = await client.post("/v1/agents", {"name": "Shop", "instructions": "Be kind."})
    path = f"/v1/agents/{created['id']}"
    assert await client.get(path) == created
    changed = await client.request("PATCH", path, json={"name": "Store", "model": "gpt-5.2"})
    assert changed.status_code == 200
    after = await client.get(path)
    assert (after["name"], after["instructions"], after["model"]) == (
        "Store",
        "Be kind.",
        "gpt-5.2",
    )
    listed = await client.get("/v1/agents")
    assert [agent["id"] for agent in listed["items"]] == [created["id"]]
    assert (await client.request("DELETE", path)).status_code == 204
    assert (await client.request("GET", path)).status_code == 404
    assert (await client.get("/v1/agents"))["items"] == []


async def test_agents_are_paged(client: Client) -> None:
    """The cursor leads through all of them, newest first, each once."""
    ids = [(await client.post("/v1/agents", {"name": f"A{n}"}))["id"] for n in range(5)]
    first = await client.get("/v1/agents", params={"limit": 3})
    assert first["has_more"]
    second = await client.get("/v1/agents", params={"limit": 3, "cursor": first["next_cursor"]})
    assert not second["has_more"]
    assert [agent["id"] for agent in first["items"] + second["items"]] == ids[::-1]


async def test_sources_become_answers_and_stop_being_so(client: Client) -> None:
    """A source is found once it is ready, and no more when it is deleted."""
    agent_id = await client.agent(HOURS, TEXT, model="extractive")
    path = f"/v1/agents/{agent_id}/sources"
    listed = (await client.get(path))["items"]
    assert {source["type"] for source in listed} == {"qa", "text"}
    delivery = next(source for source in listed if source["type"] == "text")
    assert (await client.get(f"{path}/{delivery['id']}"))["text"] == TEXT["text"]
    answer = await client.chat(agent_id, "How much is delivery in Cebu City?")
    assert answer["sources"][0]["id"] == delivery["id"]
    assert (await client.request("DELETE", f"{path}/{delivery['id']}")).status_code == 204
    assert (await client.request("GET", f"{path}/{delivery['id']}")).status_code == 404
    answer = await client.chat(agent_id, "How much is delivery in Cebu City?")
    assert delivery["id"] not in {source["id"] for source in answer["sources"]}


async def test_keys_work_until_they_are_revoked(client: Client, http: httpx.AsyncClient) -> None:
    """A key is shown once, then masked; revoked, it is refused at once."""
    agent_id = await client.agent(HOURS, model="extractive")
    path = f"/v1/agents/{agent_id}/keys"
    created = await client.post(path, {"type": "secret", "name": "Backend"})
    agent_client = Client(http, created["key"])
    assert (await agent_client.chat(agent_id, "Open?"))["response"]

    async def used() -> bool:
        (key,) = (await client.get(path))["items"]
        assert created["key"] not in str(key)
        assert key["key_prefix"].startswith("sk_")
        return bool(key["last_used_at"] is not None and key["total_requests"] == 1)

    await eventually(used)
    assert (await client.request("DELETE", f"{path}/{created['id']}")).status_code == 204

    async def refused() -> bool:
        response = await agent_client.request("GET", f"/v1/agents/{agent_id}")
        return response.status_code == 401

    await eventually(refused, timeout=1.0)
    assert (await client.get(path))["items"] == []


async def test_a_key_of_an_agent_is_for_that_agent(client: Client, http: httpx.AsyncClient) -> None:
    """It reaches neither other agents nor what only the account may do."""
    mine, other = await client.agent(), await client.agent()
    created = await client.post(f"/v1/agents/{mine}/keys", {"type": "secret"})
    scoped = Client(http, created["key"])
    assert (await scoped.get(f"/v1/agents/{mine}"))["id"] == mine
    assert (await scoped.request("GET", f"/v1/agents/{other}")).status_code == 404
    assert (await scoped.request("POST", "/v1/agents", json={"name": "x"})).status_code == 403


async def test_webhooks_are_created_listed_masked_and_deleted(
    client: Client, shop: str, receiver: Receiver
) -> None:
    """The secret is shown once; after deletion nothing more is delivered."""
    path = f"/v1/agents/{shop}/webhooks"
    body = {
        "name": "CRM",
        "endpoint_url": receiver.url("/crm"),
        "events": ["conversation.started", "message.received", "message.sent"],
        "description": "our CRM",
        "custom_headers": {"X-Team": "support"},
    }
    created = await client.post(path, body)
    assert set(created) == {"id", "secret_key"}
    assert created["secret_key"].startswith("whsec_")
    (listed,) = (await client.get(path))["items"]
    assert created["secret_key"] not in str(listed)
    assert listed["disabled"] is False
    await client.chat(shop, "Hello")
    received = await receiver.wait_for("/crm", 3)
    assert {json.loads(delivery.body)["event"] for delivery in received} == set(body["events"])
    assert received[0].headers["x-team"] == "support"
    assert (await client.request("DELETE", f"{path}/{created['id']}")).status_code == 204
    assert (await client.get(path))["items"] == []


async def test_conversations_of_an_agent_are_paged(client: Client, shop: str) -> None:
    """The cursor leads through all of them, newest first, each once."""
    ids = [(await client.chat(shop, f"Hi {n}"))["conversation_id"] for n in range(3)]
    path = f"/v1/agents/{shop}/conversations"
    first = await client.get(path, params={"limit": 2})
    second = await client.get(path, params={"limit": 2, "cursor": first["next_cursor"]})
    assert [row["id"] for row in first["items"] + second["items"]] == ids[::-1]
    assert (first["has_more"], second["has_more"]) == (True, False)


async def test_a_deleted_agent_leaves_nothing(stack: Stack, client: Client, shop: str) -> None:
    """Its conversations, keys and everything below its path are gone."""
    conversation_id = (await client.chat(shop, "Hello"))["conversation_id"]
    created = await client.post(f"/v1/agents/{shop}/keys", {"type": "secret"})
    assert (await client.request("DELETE", f"/v1/agents/{shop}")).status_code == 204
    for below in ("", "/sources", "/keys", "/webhooks", "/conversations"):
        assert (await client.request("GET", f"/v1/agents/{shop}{below}")).status_code == 404
    async with httpx.AsyncClient(base_url=stack.url) as http:
        orphan = Client(http, created["key"])

        async def gone() -> bool:
            conversation = await client.request("GET", f"/v1/conversations/{conversation_id}")
            key = await orphan.request("GET", "/v1/credits")
            return (conversation.status_code, key.status_code) == (404, 401)

        await eventually(gone)


async def test_the_documentation_is_served_without_a_key(http: httpx.AsyncClient) -> None:
    """The OpenAPI page, its scripts from here, and every path in the document."""
    page = await http.get("/docs/")
    assert page.status_code == 200
    assert "https://" not in page.text.replace("https://www.w3.org", "")
    for name in ("openapi.json", "asyncapi.json"):
        assert (await http.get(f"/docs/{name}")).json() == json.loads((DOCS / name).read_bytes())
    assert (await http.get("/docs/assets/js/swagger-ui-bundle.js")).status_code == 200
