"""HTTP/1.1 as uvicorn speaks it, with every part of a request bounded while it arrives.

A head is collected and checked (heads.py) before the parser gets it, a body is handed on in pieces.
A connection with a request in line behind the one that is being answered is not read any further,
so that nobody can fill the memory with requests whose answers are not taken. A request that does
not come is a 408 in the documented envelope, one that is too large a 4xx; then the connection is
closed.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import httptools
import msgspec
from uvicorn._types import ASGI3Application
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from libs.runtime.ids import new_id
from services.api.http import heads
from services.api.http.addresses import UNKNOWN, network
from services.api.http.errors import ErrorBody, ErrorDetail
from services.api.http.heads import HeadBounds, HeadRefused
from services.api.http.slow_down import Refusals

FIRST_REQUEST = 0.5
"""Seconds that a new connection gets for its first request when the process drains."""
LINGER = 2.0
"""Seconds that a client which was refused gets to read why, before its connection is reset."""
PIECE = 64 * 1024
"""Most bytes of a chunked body that are parsed at once."""
FORWARDED = 512
"""Most bytes of an X-Forwarded-For that are read, from its end, which the proxies wrote."""
UNREAD = 0.1
"""Seconds in which what has come already is read, before a client is called late."""
DISCARD = 0.02
"""Seconds between two looks at what a client sends that was refused, or has its answer already."""
LATE = HeadRefused(408, "request_timeout", "The request did not arrive in time.")


@dataclass(frozen=True)
class RequestBounds:
    """What a connection may send: `body` in bytes, `rate` in bytes a second.

    A head has `patience` seconds to arrive; so have every `rate` * `patience` bytes of a body.
    """

    head: HeadBounds
    body: int
    patience: float
    rate: float


@dataclass
class Connections:
    """Who is connected: at most so many connections of one address, a proxy's not counted."""

    of_an_address: int
    is_proxy: Callable[[str], bool]
    refusals: Refusals
    open: Counter[str] = field(default_factory=Counter)

    def enter(self, host: str | None) -> str | None:
        """Count a connection; return what to leave() with. Raises Refused."""
        if host is None or self.is_proxy(host):
            return None
        address = network(host)
        if self.open[address] >= self.of_an_address:
            raise HeadRefused(503, "overloaded", "Too many connections of this address.")
        self.open[address] += 1
        return address

    def leave(self, address: str | None) -> None:
        """Count a connection no more."""
        if address is not None:
            self.open[address] -= 1
            if not self.open[address]:
                del self.open[address]


class HeldFlow(FlowControl):
    """Reads nothing as long as it is held, whoever wants to go on."""

    held = False
    paused_lately = False

    def pause_reading(self) -> None:
        """Stop reading."""
        self.paused_lately = True
        super().pause_reading()

    def resume_reading(self) -> None:
        """Read on, unless held."""
        if not self.held:
            super().resume_reading()

    def hold(self, held: bool) -> None:
        """Hold it, or let it go."""
        self.held = held
        if held:
            self.pause_reading()


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    bounds: RequestBounds
    clients: Connections

    flow: HeldFlow
    _address: str | None = None
    _late: asyncio.TimerHandle | None = None
    _draining = False
    _refused = False

    _unread = b""
    _head: bytearray
    _method = ""
    _in_head = False
    """While the parser is given a head: whatever else begins a message is not to be read."""
    _in_body = False
    _left: int | None = 0
    """Bytes of the body that have not come, None while only the last chunk will tell."""
    _body = 0
    _body_before = 0
    _between_chunks = 0

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self.flow = HeldFlow(transport)
        self._head = bytearray()
        try:
            self._address = self.clients.enter(self.client[0] if self.client else None)
        except HeadRefused as refused:
            self._refuse(refused)
            return
        self._expect(self._head_is_late)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self.clients.leave(self._address)
        self._address = None
        self._arrived()
        self._unread = b""
        super().connection_lost(exc)

    # What comes in

    def data_received(self, data: bytes) -> None:
        """Read what has come, or discard it when no request can come of it."""
        self._unset_keepalive_if_required()
        if not self._refused:
            self._unread = self._unread + data if self._unread else data
            self._read()
        if self._refused or (self._in_body and self.cycle.response_complete):
            # Nobody wants it, so it may not cost much: it is looked at now and then.
            self.flow.pause_reading()
            self.loop.call_later(DISCARD, self._read_on)

    def _read(self) -> None:
        """Read until nothing is left, or a request waits behind the one being answered."""
        try:
            while self._unread and not self.pipeline and not self._refused:
                if self._in_body:
                    self._read_body()
                else:
                    self._read_head()
        except HeadRefused as refused:
            self._refuse(refused)
        except httptools.HttpParserError as error:
            why = error.__context__  # what a callback of ours raised
            self._refuse(
                why if isinstance(why, HeadRefused) else heads.not_http("it can't be parsed")
            )
        self.flow.hold(bool(self._unread))

    def _read_head(self) -> None:
        data, bounds = self._unread, self.bounds.head
        if not self._head:
            data = data.lstrip(b"\r\n")  # between two requests they mean nothing
            if self._late is None:
                self._expect(self._head_is_late)
        if not self._head and (end := data.find(b"\r\n\r\n")) >= 0:
            head, self._unread = data[: end + 4], data[end + 4 :]
        else:
            start = max(0, len(self._head) - 3)
            self._head += data
            if (end := self._head.find(b"\r\n\r\n", start)) < 0:
                self._unread = b""
                heads.check_growing(self._head, start, bounds)
                return
            head, self._unread = bytes(self._head[: end + 4]), bytes(self._head[end + 4 :])
            self._head = bytearray()
        self._begin(head)

    def _begin(self, head: bytes) -> None:
        checked = heads.read(head, self.bounds.head)
        self._method = checked.method
        self._in_head = True
        self.parser.feed_data(checked.data)
        if self._in_head:
            raise heads.not_http("its headers do not end")

    def _read_body(self) -> None:
        if self._left is None:
            self._read_chunks()
            return
        if not self._left:
            raise heads.not_http("its body does not end")
        data, self._unread = self._unread[: self._left], self._unread[self._left :]
        self._left -= len(data)
        self.parser.feed_data(data)

    def _read_chunks(self) -> None:
        """Hand a piece on; what is no content has to end within the bounds of a head."""
        data, self._unread = self._unread[:PIECE], self._unread[PIECE:]
        self._between_chunks += len(data)
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserCallbackError:
            if self._in_body:
                raise
            # Where the next request begins in this piece is not known: the client sends it anew.
            self._end_with(self.cycle)
        if self._between_chunks > self.bounds.head.size:
            raise heads.too_large(self.bounds.head)

    # What the parser finds

    def on_message_begin(self) -> None:
        """Begin a request."""
        if not self._in_head:
            raise heads.not_http("unexpected")
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header of the head; trailers are read over, as RFC 9110, 6.5.1 lets us."""
        if not self._in_head:
            return
        if len(value) > FORWARDED and name.lower() == b"x-forwarded-for":
            value = value[-FORWARDED:]
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to wait for the body; answer a request that came while draining as the last one."""
        self._arrived()
        self._body = self._body_before = self._between_chunks = 0
        self._left = self._length()
        if self.parser.get_http_version() == "1.0":
            self.expect_100_continue = False
        super().on_headers_complete()
        self._in_head = False
        self._in_body = True
        self.scope["method"] = self._method
        if self._draining and self._asked:
            self.cycle.keep_alive = False
        if self._left != 0:
            self.flow.paused_lately = False
            self._expect(self._check_pace)

    def _length(self) -> int | None:
        length = 0
        for name, value in self.headers:
            if name == b"transfer-encoding":
                return None
            if name == b"content-length":
                length = int(value)
        return length

    def on_chunk_header(self) -> None:
        """A chunk's content comes now."""
        self._between_chunks = 0

    def on_body(self, body: bytes) -> None:
        """Count it."""
        self._between_chunks = 0
        self._body += len(body)
        if self._body > self.bounds.body:
            raise HeadRefused(413, "payload_too_large", "The body is too large.")
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is here."""
        self._in_body = False
        self._between_chunks = 0
        self._arrived()
        super().on_message_complete()

    # Answers

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if cycle.scope["http_version"] == "1.0":
            app = until_closed(app, cycle)
        super()._start_asgi_task(cycle, app)

    def on_response_complete(self) -> None:
        """Read on. Who is still sending the body of what is answered gets a last while for it."""
        super().on_response_complete()
        if self.transport.is_closing() or self._refused:
            return
        self.flow.hold(False)
        self._read()
        if not self.flow.held:
            self.flow.resume_reading()
        if self._in_body and self.cycle.response_complete:
            self._arrived()
            self._expect(self.transport.abort)

    def shutdown(self) -> None:
        """Drain: a client that has just connected gets a moment to send its request."""
        self._draining = True
        if not self._asked:
            self.loop.call_later(FIRST_REQUEST, self._close_unused)
        else:
            super().shutdown()

    @property
    def _asked(self) -> bool:
        """Whether a request came in on this connection."""
        return getattr(self, "cycle", None) is not None

    def _close_unused(self) -> None:
        if not self._asked:
            self.transport.close()

    # Refusals

    def _refuse(self, refused: HeadRefused) -> None:
        """Tell the client what is wrong, when an answer can begin here, and read nothing more."""
        cycle = self.cycle
        answering = cycle is not None and not cycle.response_complete
        if answering and not self._in_body:  # the answer to the request before this one comes first
            self._end_with(cycle)
            return
        if self._in_body and not answering:  # it has its answer already
            self._discard()
            self._linger()
            return
        if answering:
            cycle.disconnected = True
            cycle.message_event.set()
            if cycle.response_started:
                self.transport.abort()
                return
        self._discard()
        self.flow.pause_reading()
        wait = self.clients.refusals.wait(network(self.client[0]) if self.client else UNKNOWN)
        self.loop.call_later(wait, self._tell, refused)

    def _tell(self, refused: HeadRefused) -> None:
        if self.transport.is_closing():
            return
        self.transport.write(_envelope(refused))
        self._linger()
        self._read_on()

    def _linger(self) -> None:
        """End our side; a client that is still sending gets a while to see what we said."""
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.loop.call_later(LINGER, self.transport.abort)

    def _read_on(self) -> None:
        """Look at what came meanwhile; the end of the connection is seen as well."""
        if not self.transport.is_closing():
            self.flow.resume_reading()

    def _end_with(self, cycle: RequestResponseCycle) -> None:
        """Read nothing more; the connection ends with this answer."""
        self._discard()
        cycle.keep_alive = False
        if cycle.response_complete:
            self.transport.close()

    def _discard(self) -> None:
        self._refused = True
        self._unread = b""
        self._head = bytearray()
        self._arrived()

    # Time

    def _expect(self, late: Callable[[], object]) -> None:
        self._late = self.loop.call_later(self.bounds.patience, self._look_again, late)

    def _look_again(self, late: Callable[[], object]) -> None:
        """Read what has come meanwhile first: it may be this process that is late."""
        self._late = self.loop.call_later(UNREAD, late)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _head_is_late(self) -> None:
        self._late = None
        if self._head:
            self._refuse(LATE)
        else:
            self.transport.close()

    def _check_pace(self) -> None:
        """Wait on for a body that comes fast enough, or that was not read for a while."""
        came = self._body - self._body_before
        read = not (self.flow.paused_lately or self.pipeline)
        if read and came < self.bounds.rate * self.bounds.patience:
            self._late = None
            self._refuse(LATE)
            return
        self._body_before = self._body
        self.flow.paused_lately = self.flow.read_paused
        self._expect(self._check_pace)


def until_closed(app: ASGI3Application, cycle: RequestResponseCycle) -> ASGI3Application:
    """Answer HTTP/1.0, which has no chunks: what has no length ends with the connection."""

    async def wrapped(scope: Any, receive: Any, send: Any) -> None:
        unframed = False

        async def send_unframed(message: Any) -> None:
            nonlocal unframed
            if message["type"] == "http.response.start":
                names = {name.lower() for name, _ in message.get("headers", ())}
                unframed = b"content-length" not in names
                if unframed:
                    cycle.chunked_encoding = False
            elif unframed:
                cycle.expected_content_length = len(message.get("body", b""))
            await send(message)

        await app(scope, receive, send_unframed)

    return wrapped


def _envelope(refused: HeadRefused) -> bytes:
    request_id = new_id("req")
    error = ErrorDetail(code=refused.code, message=refused.message, request_id=request_id)
    body = msgspec.json.encode(ErrorBody(error=error))
    head = (
        f"HTTP/1.1 {refused.status} {HTTPStatus(refused.status).phrase}\r\n"
        "Content-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-Id: {request_id}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Cache-Control: no-store\r\n"
        "Connection: close\r\n\r\n"
    )
    return head.encode() + body


def bounded(bounds: RequestBounds, clients: Connections) -> type[BoundedProtocol]:
    """Return the protocol with these bounds."""
    return type("LimitedProtocol", (BoundedProtocol,), {"bounds": bounds, "clients": clients})
