"""Bad input: a clear error in the documented envelope, naming what is to blame."""

from typing import Any

import httpx
import pytest

from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.support.errors import error_of


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({}, "message"),
        ({"message": ""}, "message"),
        ({"message": "  \n\t "}, "message"),
        ({"message": "x" * 8001}, "message"),
        ({"message": 5}, "message"),
        ({"message": None}, "message"),
        ({"message": "Hi", "mesage": "Hi"}, "mesage"),
        ({"message": "Hi", "stream": "yes"}, "stream"),
        ({"message": "Hi", "conversation_id": 7}, "conversation_id"),
        ({"message": "Hi", "metadata": []}, "metadata"),
        ({"message": "Hi", "metadata": {str(n): n for n in range(51)}}, "metadata"),
        ({"message": "Hi", "metadata": {"a": "x" * 17_000}}, "metadata"),
    ],
)
async def test_a_bad_field_is_named(
    client: Client, shop: str, body: dict[str, Any], param: str
) -> None:
    """400 invalid_request with `param`."""
    response = await client.request("POST", f"/v1/agents/{shop}/chat", json=body)
    error = error_of(response, 400)
    assert (error["code"], error.get("param")) == ("invalid_request", param)


async def test_the_longest_message_is_accepted(client: Client, shop: str) -> None:
    """8,000 characters after trimming."""
    answer = await client.chat(shop, "  " + "ñ" * 8000 + "\n")
    conversation = await client.get(f"/v1/conversations/{answer['conversation_id']}")
    assert conversation["messages"][0]["content"] == "ñ" * 8000


@pytest.mark.parametrize(
    ("content", "headers", "status", "code"),
    [
        (b'{"message": "Hi"', {}, 400, "invalid_request"),
        (b"[]", {}, 400, "invalid_request"),
        (b"null", {}, 400, "invalid_request"),
        (b"", {}, 400, "invalid_request"),
        (b'{"message": "\xff\xfe"}', {}, 400, "invalid_request"),
        (b'{"message": "\\ud800"}', {}, 400, "invalid_request"),
        (b'{"message": "Hi"}', {"Content-Type": "text/plain"}, 415, "unsupported_media_type"),
        (b'{"message": "' + b"x" * 70_000 + b'"}', {}, 413, "payload_too_large"),
    ],
)
async def test_a_bad_body_is_refused(
    client: Client, shop: str, content: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    """Not JSON, not an object, not UTF-8, not declared as JSON, too large."""
    response = await client.request(
        "POST",
        f"/v1/agents/{shop}/chat",
        content=content,
        headers={"Content-Type": "application/json"} | headers,
    )
    assert error_of(response, status)["code"] == code


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("PUT", "/v1/agents", 405, "method_not_allowed"),
        ("GET", "/v1/agents/agent_nope", 404, "agent_not_found"),
        ("GET", "/v1/conversations/conv_nope", 404, "conversation_not_found"),
        ("GET", "/v1/agents?limit=0", 400, "invalid_request"),
        ("GET", "/v1/agents?limit=x", 400, "invalid_request"),
        ("GET", "/v1/usage?since=yesterday", 400, "invalid_request"),
        ("GET", "/v1/usage?since=2026-02-01&until=2026-01-01", 400, "invalid_request"),
    ],
)
async def test_every_error_has_the_envelope(
    client: Client, method: str, path: str, status: int, code: str
) -> None:
    """The framework's own errors included."""
    response = await client.request(method, path, json=None if method == "GET" else {})
    assert error_of(response, status)["code"] == code


async def test_an_unknown_conversation_is_not_started(client: Client, shop: str) -> None:
    """404 and nothing held."""
    response = await client.request(
        "POST",
        f"/v1/agents/{shop}/chat",
        json={"message": "Hi", "conversation_id": "conv_unknown"},
    )
    assert error_of(response, 404)["code"] == "conversation_not_found"
    assert (await client.get("/v1/credits"))["held"] == 0


@pytest.mark.parametrize(
    ("source", "param"),
    [
        ({"type": "pdf"}, "type"),
        ({"type": "qa", "question": "Q"}, "answer"),
        ({"type": "qa", "question": " ", "answer": "A"}, "question"),
        ({"type": "text", "title": "T"}, "text"),
        ({"type": "text", "text": "T"}, "title"),
        ({"type": "text", "title": "T", "text": "T", "answer": "A"}, "answer"),
    ],
)
async def test_a_bad_source_is_refused(
    client: Client, shop: str, source: dict[str, Any], param: str
) -> None:
    """Each type needs its own fields and takes no others."""
    response = await client.request("POST", f"/v1/agents/{shop}/sources", json=source)
    assert error_of(response, 400)["param"] == param


@pytest.mark.parametrize(
    ("key", "param"),
    [
        ({"type": "admin"}, "type"),
        ({"type": "publishable"}, "allowed_origins"),
        ({"type": "publishable", "allowed_origins": ["shop.example"]}, "allowed_origins"),
        ({"type": "publishable", "allowed_origins": ["https://a.example/x"]}, "allowed_origins"),
        ({"type": "secret", "allowed_origins": ["*"]}, "allowed_origins"),
    ],
)
async def test_a_bad_key_is_refused(
    client: Client, shop: str, key: dict[str, Any], param: str
) -> None:
    """A publishable key needs origins, a secret one has none."""
    response = await client.request("POST", f"/v1/agents/{shop}/keys", json=key)
    assert error_of(response, 400)["param"] == param


async def test_a_bad_webhook_is_refused(client: Client, shop: str) -> None:
    """The owner of the endpoints says which field is wrong; the edge passes it on."""
    body = {"name": "x", "endpoint_url": "ftp://x", "events": ["message.sent"]}
    path = f"/v1/agents/{shop}/webhooks"
    assert error_of(await client.request("POST", path, json=body), 400)["param"] == "endpoint_url"
    body = {"name": "x", "endpoint_url": "https://example.com", "events": ["message.eaten"]}
    assert error_of(await client.request("POST", path, json=body), 400)["param"] == "events"


async def test_a_source_may_be_larger_than_other_bodies(client: Client, shop: str) -> None:
    """Up to MAX_SOURCE_BYTES; beyond that it is a 413 like any body."""
    path = f"/v1/agents/{shop}/sources"
    paragraph = "We sell dried mangoes, otap and tablea. " * 50 + "\n\n"
    source = {"type": "text", "title": "Long", "text": paragraph * 50}
    assert (await client.request("POST", path, json=source)).status_code == 201
    source["text"] = paragraph * 300
    response = await client.request("POST", path, json=source)
    assert error_of(response, 413)["code"] == "payload_too_large"


async def test_a_failed_answer_says_which_message_it_was(
    client: Client, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """JSON as a stream does; the message can be read in its conversation, a visitor's as well."""
    model.scripts["broken"] = Script(status=400)
    agent = await client.agent(model="broken")
    made = await client.post(
        f"/v1/agents/{agent}/keys", {"type": "publishable", "allowed_origins": ["*"]}
    )
    for caller in (client, Client(http, made["key"])):
        failed = await caller.request("POST", f"/v1/agents/{agent}/chat", json={"message": "Hi"})
        assert failed.status_code >= 500
        token = failed.headers.get("X-Visitor-Token")
        assert bool(token) is (caller is not client)
        conversation = await caller.get(
            f"/v1/conversations/{failed.headers['X-Conversation-Id']}",
            headers={"X-Visitor-Token": token} if token else {},
        )
        asked, ended = conversation["messages"]
        assert asked["content"] == "Hi"
        assert (ended["id"], ended["status"]) == (failed.headers["X-Message-Id"], "failed")
        assert ended["error"]["code"] == failed.json()["error"]["code"]


async def test_an_error_before_there_is_a_message_names_none(client: Client, shop: str) -> None:
    """Nothing was accepted, so there is nothing to read."""
    refused = await client.request("POST", f"/v1/agents/{shop}/chat", json={"message": ""})
    assert "X-Message-Id" not in refused.headers
    assert "X-Conversation-Id" not in refused.headers
