"""The examples of the API's documentation, field by field."""

import json
from datetime import datetime

import httpx

from tests.fakes.webhook_receiver import Receiver
from tests.flow.client import HOURS, Client
from tests.stack import Stack


async def test_first_request(client: Client, shop: str) -> None:
    """The first request of the documentation and its response."""
    response = await client.request(
        "POST",
        f"/v1/agents/{shop}/chat",
        headers={"Content-Type": "application/json"},
        content=b'{"message": "Hello, what are your business hours?"}',
    )
    assert response.status_code == 200
    answer = response.json()
    assert answer["response"] == HOURS["answer"]
    assert answer["conversation_id"].startswith("conv_")
    assert 0.5 < answer["confidence"] <= 1
    source = answer["sources"][0]
    assert (source["type"], source["title"]) == ("qa", "Business Hours")
    assert 0.5 < source["relevance"] <= 1


async def test_send_message_response(client: Client, shop: str) -> None:
    """All fields of "Send Message"."""
    answer = await client.chat(shop, "What are your business hours?")
    assert set(answer) >= {
        "response",
        "conversation_id",
        "message_id",
        "confidence",
        "model",
        "sources",
        "credits_used",
    }
    assert answer["message_id"].startswith("msg_")
    assert answer["model"] == "extractive"
    assert answer["credits_used"] == 1


async def test_streaming_events(client: Client, shop: str) -> None:
    """`text`, `sources`, `done`: each documented event, and nothing after `done`."""
    streamed = await client.stream(shop, "What are your business hours?")
    assert set(streamed.names) == {"text", "sources", "done"}
    assert streamed.names.count("sources") == streamed.names.count("done") == 1
    assert streamed.names[-1] == "done"
    assert streamed.text == HOURS["answer"]
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.headers["x-accel-buffering"] == "no"
    assert streamed.headers["x-message-id"] == streamed.last["message_id"]
    assert streamed.headers["x-conversation-id"] == streamed.last["conversation_id"]
    assert {"confidence", "model", "sources", "credits_used"} <= set(streamed.last)


async def test_get_conversation(client: Client, shop: str) -> None:
    """All fields of "Get Conversation", in the order of the conversation."""
    first = await client.chat(shop, "Hello", metadata={"page": "/home", "$odd.key": [1]})
    conversation_id = first["conversation_id"]
    await client.chat(shop, "When are you open?", conversation_id=conversation_id)
    conversation = await client.get(f"/v1/conversations/{conversation_id}")
    assert conversation["id"] == conversation_id
    assert conversation["agent_id"] == shop
    datetime.fromisoformat(conversation["created_at"])
    messages = conversation["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2
    assert [message["content"] for message in messages[::2]] == ["Hello", "When are you open?"]
    assert messages[1]["content"] == first["response"]
    times = [datetime.fromisoformat(message["timestamp"]) for message in messages]
    assert times == sorted(times)
    assert messages[0]["metadata"] == {"page": "/home", "$odd.key": [1]}
    assert messages[1]["id"] == first["message_id"]


async def test_rate_limit_headers_and_error(stack: Stack, http: httpx.AsyncClient) -> None:
    """The free plan's 10 requests a minute, the three headers, the error's format."""
    free = Client(http, await stack.account(plan="free"))
    for _ in range(21):  # the minute may turn over once in between
        response = await free.request("GET", "/v1/agents")
        assert response.headers["x-ratelimit-limit"] == "10"
        assert int(response.headers["x-ratelimit-remaining"]) >= 0
        assert int(response.headers["x-ratelimit-reset"]) > 1_700_000_000
        if response.status_code == 429:
            break
    assert response.status_code == 429
    error = response.json()["error"]
    assert error["code"] == "rate_limit_exceeded"
    assert error["message"] == f"Too many requests. Retry after {error['retry_after']} seconds."
    assert response.headers["retry-after"] == str(error["retry_after"])
    assert 1 <= error["retry_after"] <= 60


async def test_webhook_payload(client: Client, shop: str, receiver: Receiver) -> None:
    """The documented `message.received` notification."""
    await client.post(
        f"/v1/agents/{shop}/webhooks",
        {"name": "CRM", "endpoint_url": receiver.url("/hook"), "events": ["message.received"]},
    )
    answer = await client.chat(shop, "Are you open on Sunday?")
    (received,) = await receiver.wait_for("/hook")
    payload = json.loads(received.body)
    assert payload["event"] == "message.received"
    assert payload["data"]["conversation_id"] == answer["conversation_id"]
    assert payload["data"]["message"] == "Are you open on Sunday?"
