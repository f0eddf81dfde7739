"""Client events as server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import msgspec
from litestar.response.sse import ServerSentEventMessage

HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
MEDIA_TYPE = "text/event-stream"
HEARTBEAT = b": keep-alive\n\n"

_encoder = msgspec.json.Encoder()


def event(name: str, event_id: str, data: Any) -> bytes:
    """Encode one event with JSON data."""
    message = ServerSentEventMessage(data=_encoder.encode(data), event=name, id=event_id, sep="\n")
    return message.encode()


async def with_heartbeat(
    batches: AsyncIterator[Iterable[bytes]], interval: float
) -> AsyncIterator[bytes]:
    """Join each batch into one write; send a comment when nothing came for `interval` seconds."""
    upcoming = asyncio.ensure_future(anext(batches, None))
    try:
        while True:
            done, _ = await asyncio.wait({upcoming}, timeout=interval)
            if not done:
                yield HEARTBEAT
                continue
            batch = upcoming.result()
            if batch is None:
                return
            upcoming = asyncio.ensure_future(anext(batches, None))
            yield b"".join(batch)
    finally:
        upcoming.cancel()
