"""The head of an HTTP/1 request, RFC 9112: its bounds and form, checked before a parser sees it.

The parser behind it takes heads of any size, knows some methods only, and leaves the protocol when
a client offers another one.
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

METHODS = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS"})
STAND_IN = b"TRACE"
"""What the parser is told in place of a method that it may not know; nothing here takes it."""
REQUEST_LINE = re.compile(
    rb"([!#-'*+.^_`|~0-9A-Za-z-]{1,40}) ((?:/|https?://)[!-~]*) HTTP/1\.([01])\r\n"
)
# A server may ignore the offer to go on in another protocol (RFC 9110, 7.8); this one does.
UPGRADE = re.compile(rb"\nupgrade:[^\r\n]*\r", re.IGNORECASE)
BARE_END = re.compile(rb"\n\r?\n")


class HeadRefused(Exception):
    """No request comes of it; what the client is told before the connection is closed."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message


@dataclass(frozen=True)
class HeadBounds:
    """Most bytes of a head (and so of one header), most of its first line, and most headers."""

    size: int
    line: int
    headers: int


class Head(NamedTuple):
    """What the parser gets, and the method that the client named."""

    data: bytes
    method: str


def not_http(why: str) -> HeadRefused:
    """Return the refusal of what breaks the protocol."""
    return HeadRefused(400, "invalid_request", f"This is not an HTTP/1.1 request: {why}.")


def too_large(bounds: HeadBounds) -> HeadRefused:
    """Return the refusal of a head, trailer or chunk line over its bound."""
    return HeadRefused(
        431, "headers_too_large", f"The headers are larger than {bounds.size} bytes together."
    )


def check_growing(head: bytes | bytearray, start: int, bounds: HeadBounds) -> None:
    """Check a head that has not ended; only what begins at `start` is new. Raises Refused."""
    if len(head) > bounds.line and head.find(b"\n", 0, bounds.line) < 0:
        raise _line_too_long(bounds)
    if len(head) > bounds.size:
        raise too_large(bounds)
    if BARE_END.search(head, start):
        raise not_http("lines end with CR and LF")


def read(head: bytes, bounds: HeadBounds) -> Head:
    """Check a whole head, with the empty line that ends it. Raises Refused."""
    if head.find(b"\r\n") > bounds.line:
        raise _line_too_long(bounds)
    if len(head) > bounds.size:
        raise too_large(bounds)
    if head.count(b"\n") - 2 > bounds.headers:
        raise HeadRefused(
            431, "headers_too_large", f"There are more than {bounds.headers} headers."
        )
    line = REQUEST_LINE.match(head)
    if line is None:
        raise not_http("the first line is METHOD /path HTTP/1.1")
    lower = head.lower()
    hosts = lower.count(b"\nhost:")
    if hosts > 1 or (not hosts and line[3] == b"1"):
        raise not_http("it has to have one Host header")
    method = line[1]
    if method not in METHODS:
        head = STAND_IN + head[len(method) :]
    if b"\nupgrade:" in lower:
        head = UPGRADE.sub(b"", head)
    return Head(head, method.decode())


def _line_too_long(bounds: HeadBounds) -> HeadRefused:
    return HeadRefused(414, "url_too_long", f"The address is longer than {bounds.line} bytes.")
