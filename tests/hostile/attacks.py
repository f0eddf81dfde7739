"""The attacks, each in a process of its own: `python -m tests.hostile.attacks NAME TARGET`.

Attackers come from elsewhere: their process has a lower priority than the stack, so that it is
their requests that cost something and not the making of them.
"""

import asyncio
import itertools
import os
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import PurePath
from typing import Any

import msgspec

from tests.flow.client import Client
from tests.hostile.target import HOST, PIECE, Target, whatever

SOCKETS = 20
MESSAGES_A_MINUTE = 50
NICE = 10
HEAD = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"
WORST_TEXTS = (
    "a" * 8000,
    "<" + " " * 7990 + "x",
    "1" * 8000,
    "." * 8000,
    "-" * 8000,
    "[" * 8000,
    "(" * 4000 + ")" * 4000,
    "a-" * 4000,
    "1." * 4000,
    "a/" * 4000,
    "\u0301" * 8000,
    "\u200b" * 8000,
    "`" * 8000,
    "*a" * 4000,
    "\n" * 3999 + "a" + "\n" * 4000 + "b",
    "http://" * 1100,
    "xn--" * 2000,
    "a@" * 4000,
    "&#" * 4000,
    "\U0001f600" * 8000,
)
FAR = b"Retry-After: Mon, 01 Jan 99999999999999999999 00:00:00 GMT\r\n"
ODD = b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n" + FAR + b"\r\n"


async def endless_header(target: Target) -> None:
    """A header without an end, on 20 sockets, without a key."""
    await _floods(target, HEAD + b"X-A: ", b"a" * PIECE)


async def endless_name(target: Target) -> None:
    """A header's name without an end."""
    await _floods(target, HEAD, b"a" * PIECE)


async def endless_url(target: Target) -> None:
    """A request line without an end."""
    await _floods(target, b"GET /", b"a" * PIECE)


async def endless_trailer(target: Target) -> None:
    """A trailer without an end behind a body in chunks."""
    head = b"POST /v1/agents HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-A: "
    await _floods(target, head, b"a" * PIECE)


async def endless_body(target: Target) -> None:
    """A body in chunks without an end, with a key."""
    head = _head("POST", f"/v1/agents/{target.agent}/chat", target.key)
    head += b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    await _floods(target, head, b"%x\r\n" % PIECE + b" " * PIECE + b"\r\n")


async def slow_loris(target: Target) -> None:
    """A header that comes a byte at a time, on ten times as many sockets."""
    await asyncio.gather(*(target.drip(HEAD + b"X-A: ", b"a", 0.5) for _ in range(SOCKETS * 10)))


async def unread_answers(target: Target) -> None:
    """Requests without a pause on sockets that nobody reads from."""
    await _floods(target, b"", b"GET /docs/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 100)


async def preflights(target: Target) -> None:
    """Preflights, each with another origin of 30,000 characters."""

    async def requests(socket: int) -> AsyncIterator[bytes]:
        for number in itertools.count():
            if target.over:
                return
            origin = f"https://{socket}-{number}.".encode() + b"a" * 30_000
            yield (
                b"OPTIONS /v1/agents HTTP/1.1\r\nHost: x\r\n"
                b"Access-Control-Request-Method: POST\r\nOrigin: " + origin + b"\r\n\r\n"
            )

    await asyncio.gather(*(target.ask(requests(socket)) for socket in range(SOCKETS)))


async def wrong_keys(target: Target) -> None:
    """Requests with keys of the right form that nobody has."""

    async def requests(socket: int) -> AsyncIterator[bytes]:
        for number in itertools.count():
            if target.over:
                return
            yield _head("GET", "/v1/credits", f"sk_{socket:020}{number:023}") + b"\r\n"

    await asyncio.gather(*(target.ask(requests(socket)) for socket in range(SOCKETS)))


async def readiness(target: Target) -> None:
    """`/readyz`, for which nobody needs a key, a hundred times at once and again."""
    async with target.client() as client:
        while not target.over:
            await asyncio.gather(*(whatever(client, "GET", "/readyz") for _ in range(100)))


async def worst_texts(target: Target) -> None:
    """50 messages a minute with a publishable key, of what is slow to look through."""
    async with target.client(target.publishable) as client, asyncio.TaskGroup() as group:
        for number, text in enumerate(itertools.cycle(WORST_TEXTS)):
            if target.over:
                return
            group.create_task(_say(client, target.agent, text, number))
            await asyncio.sleep(60 / MESSAGES_A_MINUTE)


async def largest_sources(target: Target) -> None:
    """Sources of every kind, as large as they may be, of texts that are slow to cut."""
    path = f"/v1/agents/{target.agent}/sources"
    bodies = [
        {"type": "qa", "question": f"What is {number}?", "answer": text[:1] * 20_000}
        for number, text in enumerate(WORST_TEXTS)
    ]
    texts = [{"type": "text", "title": "T", "text": mark * 100_000} for mark in ("a-", "<", "1.")]
    files = {
        "lines.txt": b"\r\n--" * 800_000,
        "page.html": b"<" * 1_000_000,
        "faq.csv": b"question,answer\nWhat?," + b"a" * 1_000_000 + b"\n",
        "deep.json": b"[" * 1_000_000,
    }
    async with target.client() as client:
        for body in (*bodies, *texts):
            if not target.over:
                await whatever(client, "POST", path, json=body)
        for name, content in files.items():
            if not target.over:
                upload = {"file": (PurePath(name).name, content)}
                await whatever(client, "POST", f"{path}/files", files=upload)
        await asyncio.sleep(max(0.0, target.left))


async def large_uploads(target: Target) -> None:
    """Files of 20 MB, many at the same time."""
    path = f"/v1/agents/{target.agent}/sources/files"

    async def upload(client: Client, number: int) -> None:
        while not target.over:
            files = {"file": (f"{number}.txt", b"x " * 10_000_000)}
            await whatever(client, "POST", path, files=files)

    async with target.client() as client:
        await asyncio.gather(*(upload(client, number) for number in range(8)))


async def open_answers(target: Target) -> None:
    """As many slow answers as the plan allows, all open."""
    async with target.client() as client, asyncio.TaskGroup() as group:
        asking = {
            group.create_task(_say(client, target.slow_agent, f"Talk {number}", number))
            for number in range(290)
        }
        await asyncio.wait(asking, timeout=max(0.1, target.left))
        for task in asking:
            task.cancel()


async def odd_webhooks(target: Target) -> None:
    """Receivers that never answer, or oddly, and much to deliver to them."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST /odd"):
            writer.write(ODD)
            writer.close()

    server = await asyncio.start_server(serve, HOST, 0)
    base = f"http://{HOST}:{server.sockets[0].getsockname()[1]}"
    path = f"/v1/agents/{target.agent}/webhooks"
    async with target.client() as client:
        for number in range(10):
            kind = "odd" if number % 2 else "hangs"
            hook = {"name": kind, "endpoint_url": f"{base}/{kind}", "events": ["message.received"]}
            await whatever(client, "POST", path, json=hook)
        for number in range(200):
            if target.over:
                break
            await _say(client, target.agent, "Hello", number)
        await asyncio.sleep(max(0.0, target.left))
    server.close()


async def minting(target: Target) -> None:
    """Keys and agents, made, used and deleted without an end."""

    async def mint() -> None:
        async with target.client() as client:
            while not target.over:
                made = await whatever(client, "POST", "/v1/agents", json={"name": "x"})
                if made is None or made.status_code != 201:
                    await asyncio.sleep(0.05)
                    continue
                path = f"/v1/agents/{made.json()['id']}"
                for _ in range(3):
                    await whatever(client, "POST", f"{path}/keys", json={"type": "secret"})
                await whatever(client, "DELETE", path)

    await asyncio.gather(*(mint() for _ in range(SOCKETS)))


Attack = Callable[[Target], Coroutine[Any, Any, None]]
ATTACKS: dict[str, Attack] = {
    attack.__name__.replace("_", "-"): attack
    for attack in (
        endless_header,
        endless_name,
        endless_url,
        endless_trailer,
        endless_body,
        slow_loris,
        unread_answers,
        preflights,
        wrong_keys,
        readiness,
        worst_texts,
        largest_sources,
        large_uploads,
        open_answers,
        odd_webhooks,
        minting,
    )
}


async def _floods(target: Target, head: bytes, piece: bytes) -> None:
    await asyncio.gather(*(target.flood(head, piece) for _ in range(SOCKETS)))


def _head(method: str, path: str, key: str) -> bytes:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\n".encode()


async def _say(client: Client, agent: str, text: str, number: int) -> None:
    # Visitors of many addresses: one alone would be refused soon.
    address = {"X-Forwarded-For": f"203.0.113.{number % 250}"}
    body = {"message": text}
    path = f"/v1/agents/{agent}/chat"
    await whatever(client, "POST", path, json=body, headers=address)


def main() -> None:
    """Attack until the target's time is over."""
    os.nice(NICE)
    target = msgspec.json.decode(sys.argv[2], type=Target)
    asyncio.run(ATTACKS[sys.argv[1]](target))


if __name__ == "__main__":
    main()
