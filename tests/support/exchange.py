"""Bytes sent to a server as they are."""

import asyncio

from tests.stack import Stack


async def exchanged(stack: Stack, said: bytes) -> bytes:
    """Say something on a new connection; return all that comes until it is closed."""
    port = next(iter(stack.ports.values()))
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(said)
        async with asyncio.timeout(20):
            return await reader.read()
    except ConnectionError:
        return b""
    finally:
        writer.close()
