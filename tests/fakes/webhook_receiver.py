"""A real HTTP server that webhooks are delivered to; it records and answers as it is told."""

import asyncio
import json
import socket
import ssl
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn

WAIT = 30.0
"""Seconds that a test waits for what it expects, at most."""


@dataclass(frozen=True)
class Received:
    """One request as it arrived: the raw body, header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    at: float


@dataclass(frozen=True)
class Answer:
    """What to answer; when `endless`, `body` again and again until the client hangs up."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    endless: bool = False


class Receiver:
    """An ASGI application, and what it received."""

    def __init__(self, base: str) -> None:
        self._base = base
        self.received: list[Received] = []
        self._scripts: dict[str, deque[Answer]] = defaultdict(deque)
        self._always: dict[str, Answer] = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._changed = asyncio.Condition()
        self.written: dict[str, int] = defaultdict(int)
        self.open: dict[str, int] = defaultdict(int)
        self.most_open: dict[str, int] = defaultdict(int)

    def url(self, path: str) -> str:
        """The URL that reaches `path`."""
        return self._base + path

    def script(self, path: str, *answers: Answer | int) -> None:
        """Answer the next requests to `path` with these, one each, then with 200."""
        self._scripts[path].extend(_answer(one) for one in answers)

    def always(self, path: str, answer: Answer | int) -> None:
        """Answer every request to `path` that has no script with this."""
        self._always[path] = _answer(answer)

    @contextmanager
    def hanging(self, path: str) -> Iterator[None]:
        """Answer nothing at `path` until the block ends."""
        self._gates[path] = asyncio.Event()
        try:
            yield
        finally:
            self._gates.pop(path).set()

    def at(self, path: str) -> list[Received]:
        """What has arrived at `path` so far."""
        return [one for one in self.received if one.path == path]

    async def wait_for(self, path: str, count: int = 1) -> list[Received]:
        """Wait until `count` requests have arrived at `path`; return all of them."""
        await self.wait_until(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def wait_for_event(self, path: str, event: str) -> list[Received]:
        """Wait until an event of this name has arrived at `path`; return all of them."""

        def found() -> list[Received]:
            return [one for one in self.at(path) if json.loads(one.body)["event"] == event]

        await self.wait_until(lambda: bool(found()))
        return found()

    async def wait_until(self, fulfilled: Callable[[], bool], patience: float = WAIT) -> None:
        """Wait until what comes and goes has made something true. Raises TimeoutError."""
        async with asyncio.timeout(patience), self._changed:
            await self._changed.wait_for(fulfilled)

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        """Handle one request."""
        path = scope["path"]
        body = await _body(receive)
        if body is None:
            return
        await self._record(path, scope["headers"], body)
        try:
            gate = self._gates.get(path)
            if gate is not None:
                await gate.wait()
            await self._respond(path, receive, send)
        finally:
            async with self._changed:
                self.open[path] -= 1
                self._changed.notify_all()

    async def _record(self, path: str, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.open[path] += 1
        self.most_open[path] = max(self.most_open[path], self.open[path])
        names = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
        async with self._changed:
            at = asyncio.get_running_loop().time()
            self.received.append(Received(path, names, body, at))
            self._changed.notify_all()

    async def _respond(self, path: str, receive: Any, send: Any) -> None:
        script = self._scripts[path]
        answer = script.popleft() if script else self._always.get(path, Answer())
        headers = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        hung_up = asyncio.ensure_future(receive())
        while answer.endless and not hung_up.done():
            await send({"type": "http.response.body", "body": answer.body, "more_body": True})
            self.written[path] += len(answer.body)
            await asyncio.sleep(0)
        hung_up.cancel()
        await send({"type": "http.response.body", "body": answer.body})


def _answer(answer: Answer | int) -> Answer:
    return Answer(status=answer) if isinstance(answer, int) else answer


async def _body(receive: Any) -> bytes | None:
    """Read the whole body; None when the client was gone before its end."""
    chunks = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body"):
            return b"".join(chunks)


class _Server(uvicorn.Server):
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leave the signals to pytest."""
        yield


@asynccontextmanager
async def running_receiver(tls: ssl.SSLContext | None = None) -> AsyncIterator[Receiver]:
    """Start a receiver on a free port of 127.0.0.1; with `tls` its URLs are https://localhost."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    receiver = Receiver(f"https://localhost:{port}" if tls else f"http://127.0.0.1:{port}")
    config = uvicorn.Config(
        receiver,
        lifespan="off",
        ws="none",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=(lambda *_: tls) if tls else None,
    )
    server = _Server(config)
    # The socket listens already: who connects before the server runs waits in the backlog.
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        yield receiver
    finally:
        server.should_exit = True
        await serving
        listener.close()
