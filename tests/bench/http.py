"""A load generator's HTTP: as little work as possible for each answer, on connections that stay.

The measured systems share the machine's cores with it, so it parses no more than it needs.
"""

import asyncio
import re
import time
from dataclasses import dataclass, field
from typing import Self

READ = 256 * 1024
LAST_CHUNK = b"0\r\n\r\n"
_TOKEN = re.compile(rb"tok(\d+) ")
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)


@dataclass
class Reply:
    """One response. Times in seconds of `time.perf_counter`."""

    sent: float
    status: int = 0
    first: float | None = None
    """When the first word of the answer was there."""
    ended: float = 0.0
    arrivals: list[float] = field(default_factory=list)
    """When each piece of the answer came, from the first on."""
    body: bytes = b""

    def exact(self, tokens: int) -> bool:
        """Whether the answer has each token once, in order."""
        return self.status in {200, 201} and [
            int(n) for n in _TOKEN.findall(self.body.replace(b"\\n", b""))
        ] == list(range(tokens))


class Connection:
    """One client's connection: one request at a time."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def __aenter__(self) -> Self:
        """Connect."""
        self._reader, self._writer = await asyncio.open_connection(
            "127.0.0.1", self._port, limit=READ
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        """Hang up."""
        self._writer.close()

    async def ask(self, request: bytes) -> Reply:
        """Send a request, read the response to its end. Raises ConnectionError when it is cut."""
        self._writer.write(request)
        reply = Reply(time.perf_counter())
        head = await self._reader.readuntil(b"\r\n\r\n")
        reply.status = int(head[9:12])
        if length := _LENGTH.search(head):
            reply.body = await self._reader.readexactly(int(length[1]))
        else:
            await self._read_chunks(reply)
        reply.ended = time.perf_counter()
        return reply

    async def _read_chunks(self, reply: Reply) -> None:
        pieces: list[bytes] = []
        end = b""
        while end != LAST_CHUNK:
            piece = await self._reader.read(READ)
            if not piece:
                raise ConnectionError("cut before the end")
            pieces.append(piece)
            end = (end + piece)[-len(LAST_CHUNK) :]
            if reply.first is not None or b"tok0" in piece:
                now = time.perf_counter()
                reply.first = reply.first or now
                reply.arrivals.append(now)
        reply.body = b"".join(pieces)


def post(path: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    """Return a request as it goes over the wire."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *(f"{name}: {value}" for name, value in (headers or {}).items()),
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
