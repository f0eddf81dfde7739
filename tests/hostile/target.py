"""What an attack is aimed at, and how it talks to it: raw sockets, and the API with a key."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec

from tests.flow.client import Client

PIECE = 64 * 1024
HOST = "127.0.0.1"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """The attacker's own account on a running stack. `until` in seconds of `time.monotonic`."""

    port: int
    key: str
    publishable: str
    agent: str
    slow_agent: str
    until: float

    @property
    def left(self) -> float:
        """Seconds that the attack may still last."""
        return self.until - time.monotonic()

    @property
    def over(self) -> bool:
        """Whether its time is over."""
        return self.left <= 0

    @asynccontextmanager
    async def client(self, key: str | None = None) -> AsyncIterator[Client]:
        """Hand out a client of the API with one of the account's keys."""
        async with httpx.AsyncClient(
            base_url=f"http://{HOST}:{self.port}", timeout=30, trust_env=False
        ) as http:
            yield Client(http, key or self.key)

    async def flood(self, head: bytes, piece: bytes) -> None:
        """Send a head and then a piece for ever, on a new connection whenever one is closed."""
        while not self.over:
            try:
                reader, writer = await self._connect()
                try:
                    writer.write(head)
                    async with asyncio.timeout(self.left):
                        while not reader.at_eof():
                            writer.write(piece)
                            await writer.drain()
                finally:
                    writer.transport.abort()
            except (OSError, TimeoutError):
                await asyncio.sleep(0.05)

    async def drip(self, head: bytes, piece: bytes, pause: float) -> None:
        """Send a head, then a piece now and then, again when the connection is closed."""
        while not self.over:
            try:
                reader, writer = await self._connect()
                writer.write(head)
                while not self.over and not reader.at_eof():
                    await asyncio.sleep(pause)
                    writer.write(piece)
                    await writer.drain()
                writer.transport.abort()
            except OSError:
                await asyncio.sleep(pause)

    async def ask(self, requests: AsyncIterator[bytes]) -> None:
        """Send requests one after another, each when the one before it is answered."""
        writer: asyncio.StreamWriter | None = None
        async for request in requests:
            try:
                if writer is None:
                    reader, writer = await self._connect()
                writer.write(request)
                async with asyncio.timeout(max(0.1, self.left)):
                    await reader.readuntil(b"\r\n\r\n")
            except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                if writer is not None:
                    writer.transport.abort()
                writer = None
                await asyncio.sleep(0.05)
        if writer is not None:
            writer.transport.abort()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(HOST, self.port)


async def whatever(client: Client, method: str, path: str, **options: Any) -> httpx.Response | None:
    """Make a request of an attacker, who does not mind what comes of it."""
    try:
        return await client.request(method, path, **options)
    except httpx.HTTPError:
        return None
