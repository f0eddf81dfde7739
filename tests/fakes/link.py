"""A TCP connection that can be cut: what one process sees of a network that fails for it alone."""

import asyncio
from typing import Self

CHUNK = 64 * 1024


class Link:
    """Forwards connections to a server of this machine until it is cut."""

    def __init__(self, to: int, *, port: int = 0) -> None:
        self._to = to
        self._server: asyncio.Server
        self._writers: set[asyncio.StreamWriter] = set()
        self._up = True
        self.port = port

    async def __aenter__(self) -> Self:
        """Listen, on a free port unless one was named."""
        self._server = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Cut what is left."""
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._up = False
        for writer in self._writers:
            writer.transport.abort()

    def mend(self) -> None:
        """Let new connections through again."""
        self._up = True

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._up:
            writer.transport.abort()
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._to)
        both = {writer, to_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pipe(reader, to_writer))
                group.create_task(_pipe(to_reader, writer))
        finally:
            self._writers -= both


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.transport.abort()
