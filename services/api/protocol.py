"""HTTP/1.1 as uvicorn speaks it, with the bounds that its parser lacks.

A header section over its limit ends as any request that is not HTTP: a plain 400 and a closed
connection. A client that does not get its request across in time is cut off.
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

FIRST_REQUEST = 0.5
"""Seconds that a new connection gets for its first request when the process drains."""


class HeadersTooLarge(Exception):
    """Raised inside the parser, which gives up on the request."""


class BoundedProtocol(HttpToolsProtocol):
    """One connection. The time is from its first byte, or that of a request, to the last."""

    max_header_bytes: int
    request_timeout: float
    _header_bytes = 0
    _late: asyncio.TimerHandle | None = None
    _draining = False

    def connection_made(self, transport: Any) -> None:
        """Begin to wait for a first request."""
        super().connection_made(transport)
        self._expect()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for the rest of a request."""
        self._header_bytes = 0
        self._expect()
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it."""
        self._header_bytes += len(name) + len(value)
        if self._header_bytes > self.max_header_bytes:
            raise HeadersTooLarge
        super().on_header(name, value)

    def on_message_complete(self) -> None:
        """The request is here."""
        self._arrived()
        super().on_message_complete()

    def on_headers_complete(self) -> None:
        """Answer a request that came while draining as the last one."""
        super().on_headers_complete()
        if self._draining and self._asked:
            self.cycle.keep_alive = False

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

    def _expect(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(self.request_timeout, self._cut_off)

    def _arrived(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _cut_off(self) -> None:
        self._late = None
        self.transport.abort()


def bounded(max_header_bytes: int, request_timeout: float) -> type[BoundedProtocol]:
    """Return the protocol with these limits, in bytes and seconds."""
    limits = {"max_header_bytes": max_header_bytes, "request_timeout": request_timeout}
    return type("LimitedProtocol", (BoundedProtocol,), limits)
