"""A model server that sends exactly the bytes it is told to, over real connections.

A behaviour is a coroutine that is given an Exchange; each model name has its own:

    async with RawModelServer() as server:
        server.behaviours["odd"] = say
        ...
        assert server.requests["odd"][0].body["messages"]
"""

import asyncio
import json
import socket
import ssl
import struct
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Self

STREAM = "text/event-stream"
JSON = "application/json"
REASONS = {200: "OK", 204: "No Content", 301: "Moved", 307: "Redirect", 308: "Redirect"}


class Gone(Exception):
    """The connection is over, by our will."""


@dataclass
class Request:
    """One request; `on_connection` counts those of its connection, from 1."""

    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    on_connection: int


@dataclass
class Exchange:
    """A request and the connection to answer it on. `number` counts a model's requests from 1."""

    request: Request
    number: int
    writer: asyncio.StreamWriter
    chunked: bool = False

    @property
    def body(self) -> dict[str, Any]:
        """What was asked."""
        return self.request.body

    async def raw(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.writer.write(data)
        await self.writer.drain()

    async def head(self, status: int = 200, kind: str = STREAM, **headers: str) -> None:
        """Begin a response whose body comes in chunks."""
        self.chunked = True
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Type: {kind}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        lines += ["Transfer-Encoding: chunked", "", ""]
        await self.raw("\r\n".join(lines).encode())

    async def send(self, *parts: bytes) -> None:
        """Send parts of the body, each a chunk and a packet of its own."""
        for part in parts:
            if part:
                await self.raw(b"%x\r\n%s\r\n" % (len(part), part))
                await asyncio.sleep(0)

    async def end(self) -> None:
        """End the body; the connection stays open for a next request."""
        await self.raw(b"0\r\n\r\n")

    async def whole(
        self, status: int, body: bytes | dict[str, Any], kind: str = JSON, **headers: str
    ) -> None:
        """Send a whole response."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        lines = [f"HTTP/1.1 {status} {REASONS.get(status, 'Status')}", f"Content-Type: {kind}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        if status != 204:
            lines.append(f"Content-Length: {len(data)}")
        await self.raw("\r\n".join([*lines, "", ""]).encode() + (data if status != 204 else b""))

    def close(self) -> None:
        """Close the connection."""
        raise Gone

    def reset(self) -> None:
        """Reset the connection: what was not read by then is lost."""
        found = self.writer.get_extra_info("socket")
        found.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        raise Gone


Behaviour = Callable[[Exchange], Awaitable[None]]


@dataclass
class RawModelServer:
    """The server. `models` answers GET /v1/models; `prefix` is the path before /chat/completions.

    With `tls` it speaks https.
    """

    behaviours: dict[str, Behaviour] = field(default_factory=dict)
    models: Behaviour | None = None
    prefix: str = "/v1"
    tls: ssl.SSLContext | None = None
    port: int = 0
    requests: dict[str, list[Request]] = field(default_factory=lambda: defaultdict(list))

    @property
    def base_url(self) -> str:
        """What LLM_BASE_URL is set to."""
        return f"http{'s' if self.tls else ''}://127.0.0.1:{self.port}{self.prefix}"

    async def __aenter__(self) -> Self:
        self._tasks: set[asyncio.Task[Any]] = set()
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port, ssl=self.tls, backlog=512
        )
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            served = 0
            while (request := await _request(reader, served + 1)) is not None:
                served += 1
                await self._serve(request, writer)
        except (Gone, ConnectionError, asyncio.IncompleteReadError):
            pass
        except asyncio.CancelledError:
            task.uncancel()
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _serve(self, request: Request, writer: asyncio.StreamWriter) -> None:
        model = str(request.body.get("model", ""))
        if request.path.endswith("/chat/completions"):
            self.requests[model].append(request)
        exchange = Exchange(request, len(self.requests[model]), writer)
        if request.path == f"{self.prefix}/models":
            listed = {"object": "list", "data": [{"id": name} for name in self.behaviours]}
            await (self.models(exchange) if self.models else exchange.whole(200, listed))
        elif model in self.behaviours and request.path.startswith(self.prefix):
            await self.behaviours[model](exchange)
        else:
            await exchange.whole(404, b"404 page not found", "text/plain")


async def _request(reader: asyncio.StreamReader, number: int) -> Request | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {
        name.lower(): value.strip()
        for name, colon, value in (line.partition(":") for line in lines)
        if colon
    }
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Request(first.split(" ")[1], headers, json.loads(body) if body else {}, number)
