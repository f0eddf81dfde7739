"""What strangers send on raw sockets, to the edge's protocol with a small application behind it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import uvicorn

from services.api.http.heads import HeadBounds
from services.api.http.protocol import Connections, RequestBounds, bounded
from services.api.http.slow_down import Refusals
from tests.waiting import eventually

pytestmark = pytest.mark.slow

SIZE, LINE, HEADERS, BODY = 8 * 1024, 1024, 20, 256 * 1024
PATIENCE, RATE = 0.5, 1_000.0
HOST = b"Host: x\r\n"


class App:
    """Says what it got; /stream answers in pieces, /deaf without reading, /big is one megabyte."""

    def __init__(self) -> None:
        self.begun = 0
        self.bodies = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request."""
        self.begun += 1
        body = b""
        more = scope["path"] != "/deaf"
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message["body"]
            more = message["more_body"]
        self.bodies += len(body)
        seen = {
            "method": scope["method"],
            "path": scope["path"],
            "version": scope["http_version"],
            "body": len(body),
            "headers": [name.decode() for name, _ in scope["headers"]],
        }
        pieces = [json.dumps(seen).encode()]
        if scope["path"] == "/stream":
            pieces = [b"one,", b"two,", b"three"]
        if scope["path"] == "/big":
            pieces = [b"x" * 1_000_000]
        await self._answer(send, pieces, length=scope["path"] != "/stream")

    async def _answer(self, send: Any, pieces: list[bytes], *, length: bool) -> None:
        size = str(sum(map(len, pieces))).encode()
        headers = [(b"content-length", size)] if length else []
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for piece in pieces:
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def serving(app: App, **changed: Any) -> AsyncIterator[int]:
    """Serve it with the protocol on a free port."""
    limits: dict[str, Any] = {"body": BODY, "patience": PATIENCE, "rate": RATE} | changed
    most = limits.pop("of_an_address", 1_000)
    refusals = Refusals(limits.pop("refusals", 1_000))
    bounds = RequestBounds(head=HeadBounds(size=SIZE, line=LINE, headers=HEADERS), **limits)
    protocol = bounded(bounds, Connections(most, lambda _: False, refusals))
    config = uvicorn.Config(
        app, http=protocol, lifespan="off", log_config=None, port=0, timeout_keep_alive=30
    )
    server = uvicorn.Server(config)
    server.capture_signals = suppress  # type: ignore[method-assign, assignment]
    task = asyncio.create_task(server.serve())

    async def started() -> bool:
        return server.started

    await eventually(started)
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        await task


@pytest.fixture(scope="module")
def app() -> App:
    """The application behind the protocol."""
    return App()


@pytest.fixture(scope="module")
async def port(app: App) -> AsyncIterator[int]:
    """Where it is served."""
    async with serving(app) as port:
        yield port


async def said(port: int, *pieces: bytes) -> bytes:
    """Send pieces, each when the last has been taken; return all until the other side ends."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(20):
            with suppress(ConnectionError):
                for piece in pieces:
                    writer.write(piece)
                    await writer.drain()
                    await asyncio.sleep(0)
            return await read_all(reader)
    finally:
        writer.close()


async def read_all(reader: asyncio.StreamReader) -> bytes:
    """Return what comes until the other side ends, also by a reset."""
    came = b""
    with suppress(ConnectionError):
        while piece := await reader.read(65536):
            came += piece
    return came


def refusal(answer: bytes) -> tuple[int, str]:
    """Return status and code of an error; it has the envelope and ends the connection."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"Connection: close" in head
    error = json.loads(body)["error"]
    assert error["message"]
    assert error["request_id"].encode() in head
    return int(head.split()[1]), error["code"]


def seen(answer: bytes) -> Any:
    """Return what the application says it saw."""
    assert answer.startswith(b"HTTP/1.1 200"), answer
    return json.loads(answer.partition(b"\r\n\r\n")[2])


LAST = b"Connection: close\r\n"
TOO_LARGE = (431, "headers_too_large")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"GET /" + b"a" * LINE + b" HTTP/1.1\r\n" + HOST + b"\r\n", (414, "url_too_long")),
        (b"GET /" + b"a" * 100_000, (414, "url_too_long")),
        (b"A" * 100_000, (414, "url_too_long")),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * SIZE + b"\r\n\r\n", TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"a" * 1_000_000, TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a" * 1_000_000, TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * HEADERS + b"\r\n", TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + HOST + b"a: b\r\n" * 20_000, TOO_LARGE),
        (b"GET / HTTP/1.1\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.1\r\nA: \nhost: x\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.1\r\nHost: x\r\nHOST: x\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.0\r\nHost: x\r\nhost: y\r\n\r\n", (400, "invalid_request")),
        (b"GET /\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/0.9\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.2\r\n" + HOST + b"\r\n", (400, "invalid_request")),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.1\nHost: x\n\n", (400, "invalid_request")),
        (b"GET / HTTP/1.1\r\nHost: x\n\r\n", (400, "invalid_request")),
        (b"GET /\x00 HTTP/1.1\r\n" + HOST + b"\r\n", (400, "invalid_request")),
        (b"GET /\xc3\xb1 HTTP/1.1\r\n" + HOST + b"\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\x00c\r\n\r\n", (400, "invalid_request")),
        (b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c: d\r\n\r\n", (400, "invalid_request")),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n", (400, "invalid_request")),
        (
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
            (400, "invalid_request"),
        ),
        (
            b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            (400, "invalid_request"),
        ),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_a_head_that_is_refused(
    port: int, app: App, request_: bytes, expected: tuple[int, str]
) -> None:
    """Whole or one that never ends, in one packet and in many: an error in the envelope, closed."""
    before = app.begun
    pieces = [request_[at : at + 997] for at in range(0, len(request_), 997)]
    answers = await asyncio.gather(said(port, request_), said(port, *pieces))
    assert [refusal(answer) for answer in answers] == [expected, expected]
    assert app.begun == before


CHUNKED = b"POST / HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.mark.parametrize(
    "rest",
    [
        b"5;" + b"e" * 1_000_000,
        b"5;" + b"e=" * 500 + b"\r\nhello\r\n5;" + b"e" * 1_000_000,
        b"5\r\nhello\r\n0\r\n" + b"X" * 1_000_000,
        b"5\r\nhello\r\n0\r\n" + b"X: y\r\n" * 200_000,
        b"0" * 1_000_000,
    ],
    ids=lambda value: repr(value[:12]),
)
async def test_trailers_and_extensions_are_bounded(port: int, rest: bytes) -> None:
    """They belong to no header section, and the parser would keep them."""
    pieces = [rest[at : at + 4_000] for at in range(0, len(rest), 4_000)]
    for answer in await asyncio.gather(said(port, CHUNKED + rest), said(port, CHUNKED, *pieces)):
        assert refusal(answer)[0] in {400, 431}


async def test_a_body_larger_than_any_is_refused_while_it_comes(port: int) -> None:
    """In chunks nobody says beforehand how much it will be."""
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    assert refusal(await said(port, CHUNKED, *[chunk] * 40)) == (413, "payload_too_large")


async def test_trailers_become_no_headers(port: int) -> None:
    """Who checked the headers has not seen them."""
    rest = b"2\r\nhi\r\n0\r\nX-Late: 1\r\nAuthorization: b\r\n\r\n"
    answer = await said(port, CHUNKED.replace(HOST, HOST + LAST) + rest)
    assert b"late" not in answer
    assert b"authorization" not in answer
    assert b'"body": 2' in answer


@pytest.mark.parametrize(
    "lines",
    [
        b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n",
        b"Connection: upgrade\r\nUPGRADE: websocket\r\nSec-WebSocket-Key: x\r\n",
        b"Upgrade: h2c\r\nConnection: keep-alive, Upgrade\r\n",
        b"Upgrade:\r\nConnection: Upgrade\r\n",
        b"upgrade: h2c\r\nupgrade: TLS/1.0\r\nConnection: Upgrade\r\n",
        b"Expect: 100-continue\r\n",
    ],
    ids=lambda value: repr(value[:30]),
)
@pytest.mark.parametrize("chunked", [False, True])
async def test_the_body_is_read_whatever_is_offered(port: int, lines: bytes, chunked: bool) -> None:
    """An offer of another protocol is ignored, and the connection goes on after it."""
    framing = b"Transfer-Encoding: chunked\r\n" if chunked else b"Content-Length: 5\r\n"
    body = b"5\r\nhello\r\n0\r\n\r\n" if chunked else b"hello"
    first = b"POST /one HTTP/1.1\r\n" + HOST + lines + framing + b"\r\n"
    last = b"POST /two HTTP/1.1\r\n" + HOST + LAST + b"Content-Length: 2\r\n\r\nhi"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first + body)
    async with asyncio.timeout(20):
        answer = await reader.readuntil(b"}")
        assert answer.startswith(b"HTTP/1.1 100") is (b"Expect" in lines)
        assert b'"body": 5' in answer
        writer.write(last)
        assert seen(await reader.read())["body"] == 2
    writer.close()


@pytest.mark.parametrize(
    "method", ["TRACE", "CONNECT", "PROPFIND", "get", "M-X!", "SOURCE", "QUERY"]
)
async def test_any_method_reaches_the_application(port: int, method: str) -> None:
    """It says which there are."""
    request = method.encode() + b" /a HTTP/1.1\r\n" + HOST + LAST + b"\r\n"
    assert seen(await said(port, request))["method"] == method


async def test_http_1_0(port: int) -> None:
    """No chunks; a stream ends with the connection, which is not kept."""
    head, _, body = (await said(port, b"GET /stream HTTP/1.0\r\n\r\n")).partition(b"\r\n\r\n")
    assert b"chunked" not in head.lower()
    assert body == b"one,two,three"
    asked = b"POST / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nhi"
    assert seen(await said(port, asked))["version"] == "1.0"


async def test_a_body_may_take_long_when_it_comes(port: int) -> None:
    """Three times as long as a request may take, at twice the least rate."""
    pieces = 30
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(
        b"POST / HTTP/1.1\r\n" + HOST + LAST + b"Content-Length: %d\r\n\r\n" % (pieces * 200)
    )
    for _ in range(pieces):
        writer.write(b"x" * 200)
        await writer.drain()
        await asyncio.sleep(PATIENCE / 10)
    async with asyncio.timeout(20):
        assert seen(await reader.read())["body"] == pieces * 200
    writer.close()


@pytest.mark.parametrize(
    ("begun", "more"),
    [
        (b"GET / HTTP/1.1\r\n", b"A: b\r\n"),
        (b"GET /", b"a"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 9000\r\n\r\n", b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"5;", b"e"),
        (CHUNKED + b"0\r\n", b"A: b\r\n"),
    ],
    ids=lambda value: repr(value[-20:]),
)
async def test_a_drip_is_let_go(port: int, begun: bytes, more: bytes) -> None:
    """A byte now and then, in the head or in the body, is a 408."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(begun)
    reading = asyncio.create_task(read_all(reader))
    async with asyncio.timeout(20):
        while not reading.done():
            with suppress(ConnectionError):
                writer.write(more)
            await asyncio.wait({reading}, timeout=PATIENCE / 10)
    assert refusal(reading.result()) == (408, "request_timeout")
    writer.close()


@pytest.mark.parametrize("drip", [b"", b"\r\n"])
@pytest.mark.parametrize("after", [b"", b"GET / HTTP/1.1\r\n" + HOST + b"\r\n"])
async def test_a_connection_without_a_request_is_let_go(
    port: int, drip: bytes, after: bytes
) -> None:
    """Blank lines are no sign of life, on a new connection or on one that is kept."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    if after:
        writer.write(after)
        await reader.readuntil(b"}")
        drip = drip or b"\r\n"
    reading = asyncio.create_task(read_all(reader))
    async with asyncio.timeout(20):
        while not reading.done():
            with suppress(ConnectionError):
                writer.write(drip)
            await asyncio.wait({reading}, timeout=PATIENCE / 10)
    assert reading.result() == b""
    writer.close()


async def test_who_goes_on_after_the_answer_is_let_go(port: int) -> None:
    """An answer that does not wait for the body is not the beginning of a free ride."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /deaf HTTP/1.1\r\n" + HOST + b"Content-Length: 1000000000\r\n\r\n")
    reading = asyncio.create_task(read_all(reader))
    async with asyncio.timeout(20):
        while not reading.done():
            with suppress(ConnectionError):
                writer.write(b"x" * 1000)
                await writer.drain()
            await asyncio.wait({reading}, timeout=0.01)
    assert reading.result().count(b"HTTP/1.1") == 1
    writer.close()


async def test_pipelined_requests_are_answered_in_order(port: int) -> None:
    """Bodies of any framing between them; in one packet and byte by byte."""
    requests = [
        b"POST /%d HTTP/1.1\r\n" % number
        + HOST
        + b"Content-Length: %d\r\n\r\n" % number
        + b"x" * number
        for number in range(50)
    ]
    requests.append(b"GET /last HTTP/1.1\r\n" + HOST + LAST + b"\r\n")
    whole = b"\r\n".join(requests)
    single = [whole[at : at + 1] for at in range(len(whole))]
    for answer in await asyncio.gather(said(port, whole), said(port, *single)):
        bodies = [
            json.loads(part.partition(b"\r\n\r\n")[2]) for part in answer.split(b"HTTP/1.1 200")[1:]
        ]
        assert [one["path"] for one in bodies] == [*(f"/{n}" for n in range(50)), "/last"]
        assert [one["body"] for one in bodies[:50]] == list(range(50))


async def test_what_follows_chunks_at_once_is_sent_anew(port: int) -> None:
    """The answer before it says that the connection ends."""
    last = b"GET /last HTTP/1.1\r\n" + HOST + b"\r\n"
    answer = await said(port, CHUNKED + b"2\r\nhi\r\n0\r\n\r\n" + last)
    assert answer.count(b"HTTP/1.1") == 1
    assert b"connection: close" in answer


async def test_unread_answers_stop_the_reading(port: int, app: App) -> None:
    """Who takes no answers gets no further requests in."""
    _, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
    asked = b"GET /big HTTP/1.1\r\n" + HOST + b"\r\n"
    before, sent = app.begun, 0
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while sent < 60_000_000:
                writer.write(asked * 1_000)
                async with asyncio.timeout(2):
                    await writer.drain()
                sent += len(asked) * 1_000
    assert app.begun - before < 30
    async with asyncio.timeout(20):
        assert (await said(port, b"GET / HTTP/1.1\r\n" + HOST + LAST + b"\r\n")).startswith(
            b"HTTP/1.1 200"
        )
    writer.transport.abort()


async def test_an_address_has_so_many_connections() -> None:
    """One more is told so; when one goes there is room again."""
    async with serving(App(), of_an_address=3) as port, asyncio.timeout(20):
        held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(3)]
        assert refusal(await said(port)) == (503, "overloaded")
        held[0][1].close()
        await held[0][1].wait_closed()
        asked = b"GET / HTTP/1.1\r\n" + HOST + LAST + b"\r\n"
        while not (answer := await said(port, asked)).startswith(b"HTTP/1.1 200"):
            assert refusal(answer) == (503, "overloaded")
        for _, writer in held:
            writer.close()


async def test_who_is_refused_over_and_over_waits_for_it() -> None:
    """A flood of what is no request, on connections that are made anew, waits for itself."""
    async with serving(App(), refusals=2) as port:
        answers = [asyncio.create_task(said(port, b"NONSENSE\r\n\r\n")) for _ in range(6)]
        done, held_back = await asyncio.wait(answers, timeout=0.5)
        assert (len(done), len(held_back)) == (2, 4)
        for answer in await asyncio.gather(*answers):
            assert refusal(answer) == (400, "invalid_request")


@pytest.mark.parametrize(
    ("begun", "status"),
    [
        (b"GET / HTTP/1.1\r\nX-A: ", 431),
        (b"POST /deaf HTTP/1.1\r\n" + HOST + b"Content-Length: 10000000000\r\n\r\n", 200),
    ],
    ids=["refused", "answered"],
)
async def test_what_nobody_wants_is_hardly_read(port: int, begun: bytes, status: int) -> None:
    """Who sends on as fast as it goes is read from now and then, until the reset."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(read_answer(reader))
    sent = 0
    writer.write(begun)
    async with asyncio.timeout(20):
        with suppress(ConnectionError):
            while True:
                writer.write(b"a" * 65536)
                sent += 65536
                await writer.drain()
    assert (await answer).startswith(b"HTTP/1.1 %d " % status)
    assert sent < 100_000_000


async def test_who_sends_more_than_allowed_after_the_answer_sees_the_answer(port: int) -> None:
    """The connection ends in order, not with a reset that takes the answer away."""
    size = BODY + 4 * 65536
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /deaf HTTP/1.1\r\n" + HOST + b"Content-Length: %d\r\n\r\n" % size)
    async with asyncio.timeout(20):
        for _ in range(0, size, 65536):
            writer.write(b"x" * 65536)
            await writer.drain()
            await asyncio.sleep(0.05)
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 ")
    writer.close()


async def read_answer(reader: asyncio.StreamReader) -> bytes:
    """Return one answer."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
    return head + await reader.readexactly(length)
