"""Webhooks by HTTP: managing them, their log, and the events that other services tell."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from standardwebhooks import Webhook

from tests.fakes.webhook_receiver import Received, Receiver
from tests.flow.client import HOURS, Client
from tests.stack import Stack
from tests.waiting import eventually


async def hook(client: Client, agent_id: str, url: str, *events: str) -> tuple[str, str]:
    """Create a webhook; return its path and its secret."""
    path = f"/v1/agents/{agent_id}/webhooks"
    body = {"name": "CRM", "endpoint_url": url, "events": events or ["message.sent"]}
    created = await client.post(path, body)
    return f"{path}/{created['id']}", created["secret_key"]


async def rows(client: Client, path: str, *statuses: str) -> Any:
    """Wait until the log of a webhook has these statuses; return it, newest first."""
    items: list[dict[str, Any]] = []

    async def as_expected() -> bool:
        nonlocal items
        items = (await client.get(f"{path}/deliveries"))["items"]
        return sorted(item["status"] for item in items) == sorted(statuses)

    await eventually(as_expected)
    return items


def body_of(request: Received) -> Any:
    """What a request carried."""
    return json.loads(request.body)


async def test_the_life_of_a_webhook(client: Client, shop: str, receiver: Receiver) -> None:
    """Change, pause, resume, rotate, test, look at the log, replay."""
    path, secret = await hook(client, shop, receiver.url("/old"))
    changed = await client.request(
        "PATCH", path, json={"endpoint_url": receiver.url("/hook"), "name": "New"}
    )
    assert changed.status_code == 200
    assert changed.json() == await client.get(path)
    assert (changed.json()["name"], changed.json()["events"]) == ("New", ["message.sent"])

    assert (await client.post(f"{path}/pause", None))["paused"] is True
    answer = await client.chat(shop, "Hello")
    [held] = await rows(client, path, "held")
    assert held["attempts"] == []
    rotated = await client.post(f"{path}/rotate", {"overlap_seconds": 60})
    assert (await client.post(f"{path}/resume", None))["paused"] is False
    [request] = await receiver.wait_for("/hook")
    assert body_of(request)["data"]["message_id"] == answer["message_id"]
    for key in (secret, rotated["secret_key"]):
        Webhook(key).verify(request.body, request.headers)
    [row] = await rows(client, path, "succeeded")
    assert (row["id"], row["attempts"][0]["status"]) == (held["id"], 200)
    assert row["event_id"] == request.headers["webhook-id"]
    delivery = await client.get(f"{path}/deliveries/{row['id']}")
    assert delivery["payload"] == body_of(request)

    sent = await client.post(f"{path}/test", {"event": "source.ready"})
    _, test = await receiver.wait_for("/hook", 2)
    assert body_of(test)["test"] is True
    assert (await rows(client, path, "succeeded", "succeeded"))[0]["id"] == sent["delivery_id"]

    replayed = await client.request("POST", f"{path}/deliveries/{row['id']}/replay")
    assert replayed.status_code == 202
    again = (await receiver.wait_for("/hook", 3))[2]
    assert (again.body, again.headers["webhook-id"]) == (request.body, row["event_id"])


async def test_what_failed_is_replayed_by_http(
    client: Client, shop: str, receiver: Receiver
) -> None:
    """Since a time; a disabled webhook is a conflict until it is resumed."""
    path, _ = await hook(client, shop, receiver.url("/hook"))
    since = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    receiver.always("/hook", 410)
    await client.chat(shop, "Hello")
    [failed] = await rows(client, path, "failed")
    shown = await client.get(path)
    assert (shown["disabled"], shown["disabled_reason"]) == (True, "gone")
    refused = await client.request("POST", f"{path}/replay", json={"since": since})
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "conflict")
    receiver.always("/hook", 200)
    await client.post(f"{path}/resume", None)
    await client.post(f"{path}/replay", {"since": since})
    [row] = await rows(client, path, "succeeded")
    assert row["id"] == failed["id"]
    assert [attempt["status"] for attempt in row["attempts"]] == [410, 200]
    listed = await client.get(f"{path}/deliveries", params={"status": "failed"})
    assert listed["items"] == []
    naive = await client.request("POST", f"{path}/replay", json={"since": "2026-01-01T00:00:00"})
    assert naive.status_code == 400


async def test_an_answer_is_rated_and_the_newest_rating_counts(
    client: Client, shop: str, receiver: Receiver
) -> None:
    """Stored with the answer; an event for each change, none for the same once more."""
    await hook(client, shop, receiver.url("/hook"), "feedback.received")
    answer = await client.chat(shop, "Hello")
    path = f"/v1/messages/{answer['message_id']}/feedback"
    ratings = [
        {"rating": "up"},
        {"rating": "down", "comment": " Wrong hours. "},
        {"rating": "down", "comment": "Wrong hours."},
        {"rating": "up", "comment": ""},
    ]
    for rating in ratings:
        stored = await client.post(path, rating)
        assert stored["rating"] == rating["rating"]
        assert stored["message_id"] == answer["message_id"]
    requests = await receiver.wait_for("/hook", 3)
    told = [body_of(one)["data"] for one in requests]
    assert sorted((one["rating"], one["comment"]) for one in told) == [
        ("down", "Wrong hours."),
        ("up", ""),
        ("up", ""),
    ]
    assert {one["message_id"] for one in told} == {answer["message_id"]}
    conversation = await client.get(f"/v1/conversations/{answer['conversation_id']}")
    assert conversation["messages"][1]["feedback"]["rating"] == "up"
    assert "feedback" not in conversation["messages"][0]
    last = await client.chat(shop, "Bye")
    await client.post(f"/v1/messages/{last['message_id']}/feedback", {"rating": "up"})
    assert len(await receiver.wait_for("/hook", 4)) == 4


async def test_a_rating_is_held_to_its_rules(
    client: Client, shop: str, http: httpx.AsyncClient
) -> None:
    """Up or down, a bounded comment; a visitor rates the answers of the own conversation only."""
    answer = await client.chat(shop, "Hello")
    path = f"/v1/messages/{answer['message_id']}/feedback"
    for wrong in ({}, {"rating": "maybe"}, {"rating": "up", "comment": "x" * 2001}, {"rating": 1}):
        assert (await client.request("POST", path, json=wrong)).status_code == 400
    missing = await client.request("POST", "/v1/messages/msg_1/feedback", json={"rating": "up"})
    assert missing.status_code == 404
    key = await client.post(
        f"/v1/agents/{shop}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    visitor = Client(http, key["key"])
    assert (await visitor.request("POST", path, json={"rating": "up"})).status_code == 404
    own = await visitor.chat(shop, "Hi")
    headers = {"X-Visitor-Token": own["visitor_token"]}
    rated = await visitor.post(
        f"/v1/messages/{own['message_id']}/feedback", {"rating": "down"}, headers=headers
    )
    assert rated["rating"] == "down"


async def test_the_owner_is_told_when_credits_run_out(
    stack: Stack, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    """Low and exhausted, each once until credits are added, also when asked at once."""
    client = Client(http, await stack.account(credits=3))
    agent_id = await client.agent(HOURS, model="extractive")
    other_id = await client.agent(model="extractive")
    for number, agent in enumerate((agent_id, other_id)):
        url = receiver.url(f"/{number}")
        await hook(client, agent, url, "credits.low", "credits.exhausted", "message.sent")
    for _ in range(3):
        await client.chat(agent_id, "Open?")
    refused = await client.request("POST", f"/v1/agents/{agent_id}/chat", json={"message": "Open?"})
    assert refused.status_code == 402
    for path in ("/0", "/1"):
        [low] = await receiver.wait_for_event(path, "credits.low")
        assert body_of(low)["data"]["threshold"] == 100
        assert body_of(low)["data"]["available"] < 3
        [out] = await receiver.wait_for_event(path, "credits.exhausted")
        assert body_of(out)["data"]["available"] == 0
    assert len(receiver.at("/0")) == 3 + 2
    assert len(receiver.at("/1")) == 2


async def test_every_event_has_a_schema_that_is_served(
    client: Client, shop: str, http: httpx.AsyncClient, receiver: Receiver
) -> None:
    """Without a key; what arrives in a chat is as the schemas say."""
    listed = (await http.get("/v1/webhooks/events")).json()["items"]
    schemas = {one["name"]: one["json_schema"] for one in listed}
    assert len(schemas) == 11
    names = ["conversation.started", "message.received", "message.sent"]
    await hook(client, shop, receiver.url("/hook"), *names)
    await client.chat(shop, "When are you open?")
    requests = await receiver.wait_for("/hook", 3)
    assert sorted(body_of(one)["event"] for one in requests) == names
    for request in requests:
        body = body_of(request)
        Draft202012Validator(
            schemas[body["event"]], format_checker=Draft202012Validator.FORMAT_CHECKER
        ).validate(body)
