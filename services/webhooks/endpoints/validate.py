"""What an endpoint may look like. Pure: the URL's host is looked up in calls.py.

Every rule raises FaultError `invalid` with the field in `param`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from libs.bus.errors import FaultError
from services.webhooks.request.body import OFFERED

NAME_MAX = 100
DESCRIPTION_MAX = 500
HEADER_NAME_MAX = 100

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # a token of RFC 9110
_HEADER_VALUE = re.compile(r"[!-~]([ -~]*[!-~])?")  # printable ASCII, no space at the ends
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_CONTROL_BUT_LINES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

# Ours, and what belongs to the connection or frames the body.
_RESERVED = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "cookie",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "user-agent",
        "via",
    }
)
_RESERVED_PREFIXES = ("webhook-", "x-alonchat-", "proxy-", "x-forwarded-")


def check_name(name: str) -> str:
    """Return the name without spaces around it."""
    name = name.strip()
    if not 1 <= len(name) <= NAME_MAX:
        raise _invalid("name", f"must be 1 to {NAME_MAX} characters")
    if _CONTROL.search(name):
        raise _invalid("name", "must not contain control characters or line breaks")
    return name


def check_description(description: str) -> str:
    """Return the description; it may have several lines."""
    if len(description) > DESCRIPTION_MAX:
        raise _invalid("description", f"is longer than {DESCRIPTION_MAX} characters")
    if _CONTROL_BUT_LINES.search(description):
        raise _invalid("description", "must not contain control characters")
    return description


def check_events(names: Sequence[str], field: str = "events") -> tuple[str, ...]:
    """Return the events, each once."""
    if not names:
        raise _invalid(field, "must name at least one event")
    for name in names:
        if name not in OFFERED:
            raise _invalid(field, f"knows no {name[:50]!r}; there are {', '.join(OFFERED)}")
    return tuple(dict.fromkeys(names))


def check_headers(
    headers: Mapping[str, str], *, most: int, most_bytes: int
) -> tuple[tuple[str, str], ...]:
    """Return the custom headers in their order."""
    if len(headers) > most:
        raise _invalid("custom_headers", f"has more than {most} entries")
    for name, value in headers.items():
        _check_header(name, value)
    if len({name.lower() for name in headers}) < len(headers):
        raise _invalid("custom_headers", "names a header twice; case makes no difference")
    if _size(headers.items()) > most_bytes:
        raise _invalid("custom_headers", f"is larger than {most_bytes} bytes")
    return tuple(headers.items())


def _check_header(name: str, value: str) -> None:
    if len(name) > HEADER_NAME_MAX or not _HEADER_NAME.fullmatch(name):
        raise _invalid("custom_headers", f"has a name that is no header name: {name[:50]!r}")
    if name.lower() in _RESERVED or name.lower().startswith(_RESERVED_PREFIXES):
        raise _invalid("custom_headers", f"must not set {name}")
    if not _HEADER_VALUE.fullmatch(value):
        # The value may be a credential, so it is not repeated.
        raise _invalid("custom_headers", f"has a value that is not printable ASCII, for {name}")


def _size(headers: Iterable[tuple[str, str]]) -> int:
    return sum(len(name) + len(value) for name, value in headers)


def _invalid(field: str, problem: str) -> FaultError:
    return FaultError("invalid", f"{field} {problem}", param=field)
