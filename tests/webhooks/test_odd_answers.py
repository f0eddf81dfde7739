"""Receivers whose answers are odd: each attempt is in the log, none is made again by accident."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from libs.bus.bus import Bus
from tests.webhooks.conftest import Owner
from tests.webhooks.happenings import received

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"
BUSY = b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n"
FAR = b"Retry-After: Mon, 01 Jan 99999999999999999999 00:00:00 GMT\r\n\r\n"
SUCCEED = {
    "date": OK + FAR,
    "zone": OK + b"Retry-After: Fri, 23 Jan 2026 10:01:00 +99999999999999\r\n\r\n",
    "binary": OK + b"Retry-After: \xff\xfe\x80\r\nX-\x41: \xe9\r\n\r\n",
    "two": OK + b"Retry-After: 5\r\nRetry-After: soon\r\n\r\n",
    "storm": b"HTTP/1.1 103 Early\r\n\r\n" * 200 + OK + b"\r\n",
    "lies": b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip, br\r\nContent-Length: 3\r\n\r\nabc",
    "garbage": OK + b"\r\nand more that nobody asked for\r\n\r\n",
    "cut": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "charset": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n"
    b"Content-Type: text/x; charset=nope\r\n\r\n\0\xff\x80",
    "no reason": b"HTTP/1.1 204\r\n\r\n",
}
FAIL = {
    "busy": BUSY + FAR,
    "past": BUSY + b"Retry-After: Mon, 01 Jan 0001 00:00:00 +2359\r\n\r\n",
    "nothing": b"",
    "nonsense": b"\x16\x03\x01\x00\xff not http\r\n\r\n",
    "status": b"HTTP/1.1 99999 What\r\n\r\n",
    "negative": b"HTTP/1.1 -20 What\r\n\r\n",
    "high": b"HTTP/1.1 999 \xff\r\nContent-Length: 0\r\n\r\n",
    "length": b"HTTP/1.1 500 No\r\nContent-Length: -7\r\n\r\n",
    "lengths": b"HTTP/1.1 500 No\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx",
    "header": b"HTTP/1.1 500 No\r\n: \x00\xd8\x3d\r\n\r\n",
    "long": b"HTTP/1.1 500 No\r\nX-A: " + b"a" * 300_000 + b"\r\n\r\n",
    "nowhere": b"HTTP/1.1 301 Gone\r\nLocation: http://xn--/\r\nContent-Length: 0\r\n\r\n",
    "switch": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
    "half": b"HTTP/1.1 200 OK\r\nContent-Le",
}
ATTEMPTS = 4
"""One, and the three retries of the fixture's schedule."""


@asynccontextmanager
async def answering(answers: dict[str, bytes]) -> AsyncIterator[tuple[str, Counter[str]]]:
    """Answer each path with its bytes, then hang up; count what was asked."""
    asked: Counter[str] = Counter()
    paths = {name.replace(" ", "-"): answer for name, answer in answers.items()}

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        name = head.split(b" ", 2)[1].decode()[1:]
        asked[name] += 1
        writer.write(paths[name])
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked
    finally:
        server.close()


@pytest.mark.usefixtures("service")
async def test_an_odd_answer_is_an_attempt_like_any_other(bus: Bus) -> None:
    """2xx is success, all else uses up the schedule; the log has every request that was made."""
    async with answering(SUCCEED | FAIL) as (base, asked):
        owners = [Owner(bus) for _ in range(3)]  # an agent has at most ten endpoints
        created: dict[str, tuple[Owner, str]] = {}
        for number, name in enumerate([*SUCCEED, *FAIL]):
            whose = owners[number % 3]
            endpoint = await whose.create(f"{base}/{name.replace(' ', '-')}")
            created[name] = (whose, endpoint.id)
        for whose in owners:
            await bus.emit(received(whose.agent_id))
        for name, (whose, endpoint_id) in created.items():
            status = "succeeded" if name in SUCCEED else "failed"
            [row] = await whose.logged(endpoint_id, status)
            expected = 1 if name in SUCCEED else ATTEMPTS
            assert len(row.attempts) == expected, (name, row)
            assert asked[name.replace(" ", "-")] == expected, name
            if name == "busy":
                assert {attempt.status for attempt in row.attempts} == {503}
