"""Client events as server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import msgspec
from litestar.response import Stream
from litestar.response.sse import ServerSentEventMessage

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": keep-alive\n\n"

_encoder = msgspec.json.Encoder()


def event(name: str, event_id: str, data: Any) -> bytes:
    """Encode one event with JSON data."""
    message = ServerSentEventMessage(data=_encoder.encode(data), event=name, id=event_id, sep="\n")
    return message.encode()


def response(events: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> Stream:
    """Return the response that streams encoded events."""
    return Stream(events, media_type=MEDIA_TYPE, headers=HEADERS | dict(headers))


async def with_heartbeat(
    batches: AsyncGenerator[list[bytes], None], interval: float
) -> AsyncGenerator[bytes, None]:
    """Join each batch into one write; send a comment when nothing came for `interval` seconds.

    `batches` runs, and is closed, in a task of its own: however the client's connection ends, what
    has to be done then can be done.
    """
    loop = asyncio.get_running_loop()
    ready: asyncio.Queue[list[bytes] | None] = asyncio.Queue()

    async def pump() -> None:
        try:
            async with aclosing(batches):
                async for batch in batches:
                    ready.put_nowait(batch)
        finally:
            ready.put_nowait(None)

    pumping = asyncio.create_task(pump())
    try:
        while True:
            # A timer, not a timeout: it costs a fraction, and there is one for every token.
            silence = loop.call_later(interval, ready.put_nowait, [HEARTBEAT])
            batch = await ready.get()
            silence.cancel()
            if batch is None:
                break
            yield b"".join(batch)
        await pumping
    finally:
        pumping.cancel()
