"""Headers and bodies that come from outside, and those that go out."""

from typing import Any

import httpx
import pytest

from tests.security.conftest import Owned
from tests.stack import Stack
from tests.support.exchange import exchanged

EVIL_ORIGINS = (
    "null",
    "https://shop.example.evil.com",
    "https://evilshop.example",
    "http://shop.example",
    "https://shop.example:8443",
)


async def chat(owner: Owned, content: bytes, **headers: str) -> httpx.Response:
    """Send a body as it is."""
    return await owner.client.request(
        "POST",
        f"/v1/agents/{owner.ids['agent_id']}/chat",
        content=content,
        headers={"Content-Type": "application/json"} | headers,
    )


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"[" * 50_000, 400),
        (b'{"message":' + b'{"a":' * 10_000, 400),
        (b'{"message": "\xff\xfe"}', 400),
        (b'{"message": 1e400}', 400),
        (b'{"message": "a", "metadata": {"n": 1' + b"0" * 5000 + b"}}", 400),
        (b'{"message": "a", "message": "b"}', 200),
        (b'{"message": "a\\u0000b"}', 200),
        (b'{"message": "\\ud800"}', 400),
        (b'{"message": "a"} {}', 400),
        (b'{"message": "' + b"a" * 70_000 + b'"}', 413),
    ],
    ids=lambda value: value if isinstance(value, int) else repr(value[:24]),
)
async def test_strange_bodies(owner: Owned, body: bytes, status: int) -> None:
    """Each has its answer in the envelope; none is a 5xx."""
    response = await chat(owner, body)
    assert response.status_code == status
    assert ("error" in response.json()) is (status != 200)


async def test_a_chunked_body_is_bounded_too(owner: Owned) -> None:
    """Nobody says beforehand how long it will be."""

    async def endless() -> Any:
        for _ in range(1000):
            yield b" " * 1024

    response = await owner.client.request(
        "POST",
        f"/v1/agents/{owner.ids['agent_id']}/chat",
        content=endless(),
        headers={"Content-Type": "application/json"},
    )
    assert response.status_code == 413


async def test_headers_are_bounded(stack: Stack) -> None:
    """A header section that is too large is no request."""
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"a" * 1000) for number in range(40))
    answer = await exchanged(stack, b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + lines + b"\r\n")
    assert answer.startswith(b"HTTP/1.1 431")
    assert b"headers_too_large" in answer


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        (b"", b""),
        (b"GET /healthz HTT", b"HTTP/1.1 408"),
        (b"GET /healthz HTTP/1.1\r\nA: b\r\n", b"HTTP/1.1 408"),
    ],
)
async def test_a_request_that_never_comes_is_let_go(
    stack: Stack, said: bytes, answer: bytes
) -> None:
    """A connection that says nothing, or half a header, does not stay for ever."""
    assert (await exchanged(stack, said))[:12] == answer


async def test_a_body_that_never_comes_is_let_go(owner: Owned, stack: Stack) -> None:
    """Its length was promised."""
    said = (
        b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer " + owner.client.key.encode() + b"\r\n"
        b"Content-Length: 100\r\n\r\n{"
    )
    assert (await exchanged(stack, said)).startswith(b"HTTP/1.1 408")


async def test_every_response_has_the_security_headers(
    owner: Owned, http: httpx.AsyncClient
) -> None:
    """Pages, data, errors."""
    documents = ("/docs/", "/docs/openapi.json", "/docs/asyncapi.json")
    for path in (*documents, "/healthz", "/nowhere", "/v1/credits"):
        response = await http.get(path)
        assert response.headers["X-Content-Type-Options"] == "nosniff", path
        assert "frame-ancestors 'none'" in response.headers["Content-Security-Policy"], path
        assert response.headers["Referrer-Policy"] == "no-referrer", path
    created = await owner.client.request(
        "POST", f"/v1/agents/{owner.ids['agent_id']}/keys", json={"type": "secret"}
    )
    assert created.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("origin", EVIL_ORIGINS)
async def test_only_allowed_origins(owner: Owned, http: httpx.AsyncClient, origin: str) -> None:
    """What only resembles an allowed origin is refused, in preflights and in requests."""
    created = await owner.client.post(
        f"/v1/agents/{owner.ids['agent_id']}/keys",
        {"type": "publishable", "allowed_origins": ["https://shop.example"]},
    )
    path = f"/v1/agents/{owner.ids['agent_id']}/chat"
    response = await http.post(
        path,
        json={"message": "Hi"},
        headers={"Authorization": f"Bearer {created['key']}", "Origin": origin},
    )
    assert response.status_code == 403
    assert "Access-Control-Allow-Origin" not in response.headers
    allowed = await http.post(
        path,
        json={"message": "Hi"},
        headers={"Authorization": f"Bearer {created['key']}", "Origin": "https://shop.example"},
    )
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Origin" in allowed.headers["Vary"]


async def test_no_secret_is_in_a_log(owner: Owned, stack: Stack, http: httpx.AsyncClient) -> None:
    """Keys, tokens, signing and upstream secrets, messages: none of it, at debug level."""
    agent_id = owner.ids["agent_id"]
    answer = await owner.publishable.chat(agent_id, "My secret word is xylophonic.")
    await owner.client.chat(agent_id, "Say it.", stream=False)
    await http.get("/v1/credits", headers={"Authorization": "Bearer sk_" + "q" * 43})
    await chat(owner, b"not JSON, but xylophonic")
    secrets = [*owner.secrets.values(), owner.client.key, answer["visitor_token"]]
    secrets += ["sk_" + "q" * 43, "xylophonic", stack.env["LLM_API_KEY"]]
    logged = "".join(path.read_text(errors="replace") for path in stack.directory.glob("*.log"))
    assert "service.started" in logged
    assert [secret for secret in secrets if secret in logged] == []
