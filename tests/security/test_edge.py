"""What strangers send over HTTP: methods, paths, bodies, forms, and floods without a key."""

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.security.conftest import Owned
from tests.stack import Stack
from tests.support.exchange import exchanged

MEGABYTE = 1024 * 1024
SOCKETS = 2
"""Of each kind of flood, of which there are a dozen."""
ROOM = 100 * MEGABYTE
"""What floods without a key may add to the process: they send four times as much."""


def error(response: httpx.Response, status: int) -> dict[str, Any]:
    """The envelope's content."""
    assert response.status_code == status, response.text
    content: dict[str, Any] = response.json()["error"]
    assert content["code"]
    assert content["message"]
    assert content["request_id"] == response.headers["x-request-id"]
    return content


@pytest.fixture
async def paths(http: httpx.AsyncClient, owner: Owned) -> dict[str, set[str]]:
    """Every documented path with the owner's ids, and its methods."""
    document: dict[str, Any] = (await http.get("/docs/openapi.json")).json()
    return {
        path.format(**owner.ids): {method.upper() for method in item}
        for path, item in document["paths"].items()
    } | {
        "/docs/": {"GET"},
        "/docs/openapi.json": {"GET"},
        "/docs/asyncapi.json": {"GET"},
        "/docs/assets/css/swagger-ui.css": {"GET"},
    }


async def test_every_path_says_what_it_takes(
    owner: Owned, http: httpx.AsyncClient, paths: dict[str, set[str]]
) -> None:
    """OPTIONS and 405 name each method of the path, whatever else is asked; HEAD goes with GET."""
    for path, methods in paths.items():
        there = methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        options = await http.options(path)
        assert options.status_code == 204, path
        assert set(options.headers["allow"].split(", ")) == there, path
        for method in ("TRACE", "CONNECT", "PROPFIND", "BREW", "HEAD", "PUT"):
            if method in there:
                continue
            refused = await owner.client.request(method, path)
            assert refused.status_code == 405, (method, path)
            assert set(refused.headers["allow"].split(", ")) == there, (method, path)


async def test_head_is_get_without_a_body(owner: Owned, paths: dict[str, set[str]]) -> None:
    """The same status, type and length; a stream is not followed."""
    for path, methods in paths.items():
        if "GET" not in methods:
            continue
        head = await owner.client.request("HEAD", path)
        assert head.content == b""
        if path.endswith("/stream"):
            assert head.headers["content-type"].startswith("text/event-stream")
            continue
        got = await owner.client.request("GET", path)
        assert head.status_code == got.status_code, path
        for name in ("content-type", "content-length", "cache-control"):
            assert head.headers.get(name) == got.headers.get(name), (path, name)


STRANGE_PATHS = (
    "/docs/assets/a%00b",
    "/docs/assets/" + "a" * 3_000,
    "/docs/assets/" + "a" * 300,
    "/docs/assets/..%2f..%2f..%2fetc%2fpasswd",
    "/docs/assets/%2e%2e/%2e%2e/x",
    "/v1/agents/%00",
    "/v1/agents/%F0%9F",
    "/v1/agents/%ED%A0%80",
    "/v1/agents/\u00f1",
    "/v1/agents/" + "a" * 3_000,
    "/v1/agents/a%0d%0ab",
    "/v1/agents/$where",
    "/v1/conversations/%7B%22$gt%22:1%7D",
    "/v1/conversations/" + "conv_" * 20,
    "/v1/messages/%0a/stream",
    "/a" * 1_000,
    "/" + "b//" * 160,
    "/%",
    "/%zz",
    "/*",
)


async def test_strange_paths_are_not_there(owner: Owned) -> None:
    """404 in the envelope, with a key and without."""
    for path in STRANGE_PATHS:
        error(await owner.client.request("GET", path), 404)
        response = await owner.client.http.get(path)
        error(response, response.status_code)
        assert response.status_code in {401, 404}


VALUES: tuple[tuple[str, str, Any, str | None], ...] = (
    ("GET", "/v1/usage?until=0001-01-05", None, "until"),
    ("GET", "/v1/usage?until=9999-12-31", None, "until"),
    ("GET", "/v1/usage?until=9999-12-31&since=9999-12-01", None, "since"),
    ("GET", "/v1/usage?since=" + "9" * 900, None, "since"),
    ("GET", "/v1/agents?limit=" + "9" * 900, None, "limit"),
    ("GET", "/v1/agents?" + "a=1&" * 100, None, None),
    (
        "POST",
        "{agent}/keys",
        {"type": "secret", "expires_at": "9999-12-31T23:59:59-23:59"},
        "expires_at",
    ),
    (
        "POST",
        "{agent}/keys",
        {"type": "secret", "expires_at": "9999-12-31T23:59:59Z"},
        "expires_at",
    ),
    (
        "POST",
        "{agent}/keys",
        {"type": "secret", "expires_at": "0001-01-01T00:00:00+23:59"},
        "expires_at",
    ),
    ("POST", "{agent}/keys", {"type": "secret", "expires_at": 1e10}, "expires_at"),
    ("POST", "{agent}/keys", {"type": "secret", "expires_at": "4102444800"}, "expires_at"),
    ("PATCH", "{agent}", {"max_tokens": 10**18}, "max_tokens"),
    ("PATCH", "{agent}", {"max_tokens": 10**30}, "max_tokens"),
    ("PATCH", "{agent}", {"max_tokens": "null"}, "max_tokens"),
    ("PATCH", "{agent}", {"suggestions": "3"}, "suggestions"),
    ("PATCH", "{agent}", {"suggestions": 2.5}, "suggestions"),
    ("PATCH", "{agent}", {"suggestions": True}, "suggestions"),
    ("PATCH", "{agent}", {"cancel_on_disconnect": "0"}, "cancel_on_disconnect"),
    ("PATCH", "{agent}", {"cancel_on_disconnect": 0}, "cancel_on_disconnect"),
    ("PATCH", "{agent}", {"fallback_models": [{}]}, "fallback_models[0]"),
    ("PATCH", "{agent}", {"fallback_models": ["a", " a "]}, "fallback_models"),
    ("PATCH", "{agent}", {"model": " \t"}, "model"),
    ("PATCH", "{agent}", {"name": "x", "nmae": "y"}, "nmae"),
    ("POST", "{agent}/chat", {"message": "Hi", "stream": "true"}, "stream"),
    ("POST", "{agent}/webhooks/{webhook_id}/replay", {"since": -1}, "since"),
    (
        "POST",
        "{agent}/webhooks/{webhook_id}/replay",
        {"since": "9999-12-31T23:59:59-23:59"},
        "since",
    ),
    (
        "POST",
        "{agent}/sources",
        {"type": "website", "url": "http://a.example", "crawl": {"max_pages": 10**19}},
        "crawl.max_pages",
    ),
)


async def test_values_that_would_overflow_further_on(owner: Owned) -> None:
    """400 that names the field, before anything is done with them."""
    agent = f"/v1/agents/{owner.ids['agent_id']}"
    for method, template, body, param in VALUES:
        path = template.format(agent=agent, **owner.ids)
        options = {} if body is None else {"json": body}
        refused = error(await owner.client.request(method, path, **options), 400)
        assert refused.get("param") == param, (path[:60], body, refused)


async def test_whole_numbers_and_blanks_are_taken(owner: Owned) -> None:
    """3.0 is an integer in JSON; blanks around a model's name are nobody's intention."""
    path = f"/v1/agents/{owner.ids['agent_id']}"
    body = {"suggestions": 2.0, "model": " extractive\n", "fallback_models": ["a ", "b"]}
    changed = (await owner.client.request("PATCH", path, json=body)).json()
    assert changed["suggestions"] == 2
    assert changed["model"] == "extractive"
    assert changed["fallback_models"] == ["a", "b"]


NO_JSON: tuple[tuple[bytes, dict[str, str], int, str], ...] = (
    (b"", {}, 400, "The body is empty"),
    (b"", {"Content-Type": ""}, 400, "The body is empty"),
    (b"\xef\xbb\xbf", {}, 400, "not valid JSON"),
    ('{"name": "x"}'.encode("utf-16"), {}, 400, "UTF-16"),
    ('{"name": "x"}'.encode("utf-16-be"), {}, 400, "UTF-16"),
    ('{"name": "x"}'.encode("utf-32"), {}, 400, "UTF-16"),
    (b"\x1f\x8b\x08", {"Content-Encoding": "gzip"}, 415, "Content-Encoding"),
    (b"{}", {"Content-Encoding": "identity, br"}, 415, "Content-Encoding"),
    (b'{"name": NaN}', {}, 400, "not valid JSON"),
    (b'{"name": "x", "temperature": 1e400}', {}, 400, "out of range"),
)


async def test_bodies_that_are_no_json(owner: Owned) -> None:
    """The message says what is wrong with it."""
    for body, headers, status, says in NO_JSON:
        headers = {"Content-Type": "application/json"} | headers  # noqa: PLW2901
        response = await owner.client.request("POST", "/v1/agents", content=body, headers=headers)
        assert says in error(response, status)["message"], body


async def test_a_byte_order_mark_and_a_lower_case_scheme_are_fine(
    owner: Owned, http: httpx.AsyncClient
) -> None:
    """RFC 8259 lets us ignore the one, RFC 9110 wants the other."""
    response = await http.patch(
        f"/v1/agents/{owner.ids['agent_id']}",
        content=b'\xef\xbb\xbf{"name": "Marked"}',
        headers={
            "Authorization": f"bearer {owner.client.key}",
            "Content-Type": "application/json",
        },
    )
    assert response.json()["name"] == "Marked"


def part(head: str, body: bytes = b"We sell mangoes.") -> bytes:
    """One part of a form."""
    return b"--B\r\nContent-Disposition: form-data; " + head.encode() + b"\r\n\r\n" + body + b"\r\n"


A_FILE = part('name="file"; filename="a.txt"')


REFUSED_FORMS = (
    (b"", 400, "The body is empty"),
    (b"nonsense", 400, "not valid multipart/form-data"),
    (A_FILE, 400, "not valid multipart/form-data"),
    (part(f'name="file"; filename="{"a" * 5_000}.txt"'), 413, "header length"),
    (b"".join(part(f'name="p{n}"') for n in range(200)), 413, "segment count"),
    (part('name="file"'), 400, "no filename"),
    (part('name="file"; filename=""'), 400, "no filename"),
    (A_FILE + A_FILE, 400, "twice"),
    (part('name="title"'), 400, "file"),
    (part('name="title"', b"\xff") + A_FILE, 400, "UTF-8"),
    (part('name="title"', b"x" * 201) + A_FILE, 400, "length"),
    (part('name="title"', b"x" * 100_000) + A_FILE, 413, "no file is larger"),
    (
        part('name="file"; filename="a.txt"\r\nContent-Type: text/plain; charset=nope'),
        400,
        "charset",
    ),
    (part('name="title"\r\nContent-Type: text/plain; charset=zip') + A_FILE, 400, "charset"),
    (part('name="title"\r\nContent-Type: text/plain; charset=idna') + A_FILE, 400, "charset"),
    (part("name=\"file\"; filename*=UTF-8''%ff%fe.txt"), 400, "filename*"),
    (part('name="file"; filename="a.exe"'), 400, "A file is one of"),
    (b"--B\r\nContent-Type: text/plain\r\n\r\nx\r\n", 400, "Content-Disposition"),
    (part('name="file"; filename="a.txt"\r\nContent-Length: 5'), 400, "Content-Length"),
)


async def test_forms_that_are_refused(owner: Owned) -> None:
    """For what they are, by both operations that take one."""
    path = f"/v1/agents/{owner.ids['agent_id']}/sources"
    for form, status, says in REFUSED_FORMS:
        whole = form + b"--B--\r\n" if form not in {b"", b"nonsense", A_FILE} else form
        for method, where in (("POST", "/files"), ("PUT", f"/{owner.ids['source_id']}/file")):
            response = await owner.client.request(
                method,
                path + where,
                content=whole,
                headers={"Content-Type": "multipart/form-data; boundary=B"},
            )
            assert says in error(response, status)["message"], form[:80]


NAMES = (
    ("filename*=UTF-8''na%C3%AFve%20%F0%9F%A5%AD.txt", "naïve 🥭.txt"),
    ("filename=\"x.txt\"; filename*=utf-8'en'%e2%82%ac.md", "€.md"),
    ('filename="C:\\\\shop\\\\prices.csv"', "prices.csv"),
    ('filename="a%0D%0Ab.txt"', "ab.txt"),
    ('filename="../../a.txt"', "a.txt"),
)


async def test_names_of_files(owner: Owned) -> None:
    """As RFC 7578 and RFC 8187 write them, and what old clients send."""
    for number, (name, title) in enumerate(NAMES):
        response = await owner.client.request(
            "POST",
            f"/v1/agents/{owner.ids['agent_id']}/sources/files",
            content=part(f'name="file"; {name}', b"Text %d" % number) + b"--B--\r\n",
            headers={"Content-Type": "multipart/form-data; boundary=B"},
        )
        assert response.status_code == 201, response.text
        assert response.json()["title"] == title


def memory(stack: Stack) -> int:
    """Bytes that the edge's process has in memory."""
    pages = int(Path(f"/proc/{stack.processes['all'].pid}/statm").read_text().split()[1])
    return pages * 4096


async def flood(stack: Stack, begin: bytes, more: bytes, total: int) -> None:
    """Send so much on one socket, as fast as it is taken, and read nothing."""
    port = next(iter(stack.ports.values()))
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    try:
        with suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(5):
                writer.write(begin)
                for _ in range(0, total, len(more)):
                    writer.write(more)
                    await writer.drain()
    finally:
        writer.transport.abort()


HEAD = b"POST /v1/agents HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
FLOODS = {
    "one header": (HEAD + b"X: ", b"a" * 65536),
    "a header's name": (HEAD, b"a" * 65536),
    "headers": (HEAD, b"a: b\r\n" * 10_000),
    "an address": (b"GET /", b"a" * 65536),
    "a trailer": (CHUNKED + b"0\r\nX: ", b"a" * 65536),
    "trailers": (CHUNKED + b"0\r\n", b"a: b\r\n" * 10_000),
    "an extension": (CHUNKED + b"1;", b"a" * 65536),
    "a body": (HEAD + b"Content-Length: 99999999999\r\n\r\n", b"a" * 65536),
    "chunks": (CHUNKED, b"1\r\na\r\n" * 10_000),
    "requests": (b"", b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" * 2_000),
    "documents": (b"", b"GET /docs/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 1_000),
    "blank lines": (b"", b"\r\n" * 30_000),
}


async def test_floods_without_a_key_stop_nobody(owner: Owned, stack: Stack) -> None:
    """Two dozen sockets, 400 MB: the memory stays, and others are answered meanwhile."""
    before = most = memory(stack)
    floods = [
        asyncio.create_task(flood(stack, begin, more, 16 * MEGABYTE))
        for begin, more in FLOODS.values()
        for _ in range(SOCKETS)
    ]
    answered, waiting = 0, set(floods)
    while waiting:
        async with asyncio.timeout(20):
            response = await owner.client.request("GET", "/v1/agents")
        assert response.status_code == 200
        answered += 1
        most = max(most, memory(stack))
        _, waiting = await asyncio.wait(waiting, timeout=0.05)
    await asyncio.gather(*floods)
    assert answered
    assert most - before < ROOM, f"{(most - before) / MEGABYTE:.0f} MB"


def named_by_strangers(number: int) -> bytes:
    """Requests with an origin, an address, an id, a query and a cookie that nobody else has."""
    long = b"%08d" % number + b"x" * 3_000
    wide = long * 8
    get = b"GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n"
    return (
        b"OPTIONS / HTTP/1.1\r\nHost: x\r\nAccess-Control-Request-Method: POST\r\n"
        b"Origin: https://"
        + wide
        + b"\r\n\r\n"
        + get % (b"/v1/agents/" + long, b"Accept: " + wide)
        + get % (b"/v1/agents", b"X-Forwarded-For: " + wide)
        + get % (b"/healthz?" + long, b"Cookie: %s=%s" % (wide, long))
    )


async def test_what_strangers_name_is_not_remembered(stack: Stack) -> None:
    """As long as it may be, each another, it leaves next to nothing."""
    before = memory(stack)
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    asked = [
        b"".join(named_by_strangers(number) for number in range(start, start + 50)) + last
        for start in range(0, 400, 50)
    ]
    answers = await asyncio.gather(*(exchanged(stack, one) for one in asked))
    assert sum(answer.count(b"HTTP/1.1 ") for answer in answers) == 400 * 4 + len(asked)
    sent = sum(map(len, asked))
    assert memory(stack) - before < sent / 4, "what was sent is kept"


async def test_http_1_0_gets_its_stream_unchunked(owner: Owned, stack: Stack) -> None:
    """The events are followed by the end of the connection, as nginx asks for by default."""
    body = json.dumps({"message": "What are your business hours?", "stream": True}).encode()
    answer = await exchanged(
        stack,
        b"POST /v1/agents/%s/chat HTTP/1.0\r\n" % owner.ids["agent_id"].encode()
        + b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
        % owner.client.key.encode()
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body,
    )
    head, _, events = answer.partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert events.startswith(b"id: ")
    assert events.rstrip().rpartition(b"\n\n")[2].count(b"event: done") == 1


async def test_an_offer_of_http_2_is_ignored(owner: Owned, stack: Stack) -> None:
    """As the Java client and `curl --http2` send it: the body is read."""
    body = json.dumps({"message": "What are your business hours?"}).encode()
    answer = await exchanged(
        stack,
        b"POST /v1/agents/%s/chat HTTP/1.1\r\nHost: x\r\n" % owner.ids["agent_id"].encode()
        + b"Connection: Upgrade, HTTP2-Settings, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"
        + b"Authorization: Bearer %s\r\nContent-Type: application/json\r\n"
        % owner.client.key.encode()
        + b"Content-Length: %d\r\n\r\n" % len(body)
        + body,
    )
    assert answer.startswith(b"HTTP/1.1 200")
    assert b"9AM to 6PM" in answer
