"""A TCP connection that is listened to: what a client and the API really say to each other."""

import asyncio
from collections.abc import Callable
from typing import Self

CHUNK = 64 * 1024


class Tap:
    """Forwards connections to a port of this machine and keeps what goes through."""

    def __init__(self, to: int) -> None:
        self._to = to
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._changed = asyncio.Condition()
        self.port = 0
        self.asked = bytearray()
        self.answered = bytearray()

    @property
    def url(self) -> str:
        """Where the client goes."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def posts(self) -> int:
        """How often the client sent a message."""
        return self.asked.count(b"POST /v1/agents/")

    async def until(self, condition: Callable[[Self], bool], timeout: float = 120.0) -> None:
        """Wait until what went through makes `condition(tap)` true; TimeoutError otherwise."""
        async with asyncio.timeout(timeout), self._changed:
            await self._changed.wait_for(lambda: condition(self))

    def cut(self) -> None:
        """Break every connection; new ones are let through."""
        for writer in self._writers:
            writer.transport.abort()

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut what is left."""
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        both = {writer, to_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._pipe(reader, to_writer, self.asked))
                group.create_task(self._pipe(to_reader, writer, self.answered))
        finally:
            self._writers -= both

    async def _pipe(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, kept: bytearray
    ) -> None:
        try:
            while data := await reader.read(CHUNK):
                writer.write(data)
                await writer.drain()
                async with self._changed:
                    kept += data
                    self._changed.notify_all()
        except ConnectionError:
            pass
        finally:
            writer.close()
