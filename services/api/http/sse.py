"""Client events as server-sent events, https://html.spec.whatwg.org/multipage/server-sent-events.html.

Clients in the wild are narrower than the standard, so what is sent is narrower too. A blank line
comes after an event's data and nowhere else: there are parsers to which every blank line is an
event, and a client that chokes on an empty one asks again. Every byte is ASCII: a client may decode
each chunk by itself, and may take any of Unicode's line ends for the end of a line.
"""

import json
from collections.abc import AsyncGenerator, Mapping
from typing import Any

import msgspec
from litestar.response import Stream

MEDIA_TYPE = "text/event-stream"
# The type is a header, for to a `media_type` the framework would add a charset: there is only one,
# and there are clients that compare the whole type, and ask again when it is another.
# `no-transform`: proxies that compress hold back what they have until there is enough of it.
HEADERS = {
    "Content-Type": MEDIA_TYPE,
    "Cache-Control": "no-store, no-transform",
    "X-Accel-Buffering": "no",
}
HEARTBEAT = b": keep-alive\n"
"""A comment, a line that belongs to no event: a blank line after it would end one."""

_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder()
_escaping = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def event(name: str, event_id: str, data: Any) -> bytes:
    """Encode one event with JSON data: one line, in ASCII, like its name and its id."""
    return f"id: {event_id}\nevent: {name}\ndata: {_ascii(data)}\n\n".encode("ascii")


def _ascii(data: Any) -> str:
    """Encode as JSON in ASCII; twice where there is anything else, which msgspec can't escape."""
    encoded = _encoder.encode(data)
    return encoded.decode() if encoded.isascii() else _escaping.encode(_decoder.decode(encoded))


def response(events: AsyncGenerator[bytes, None], headers: Mapping[str, str]) -> Stream:
    """Return the response that streams encoded events."""
    return Stream(events, media_type=MEDIA_TYPE, headers=HEADERS | dict(headers))
