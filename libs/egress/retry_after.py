"""The Retry-After header of whoever answers. It never raises: a stranger wrote it."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

LONGEST = 10 * 365 * 24 * 3600.0
"""Seconds. What asks for more is taken for this: it is somebody's mistake."""


def retry_after(header: str | None, now: datetime) -> float:
    """Return the seconds that a header asks for (RFC 9110: seconds or a date), at most LONGEST.

    0 when there is none, or it says nothing useful.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), LONGEST)
    try:
        date = parsedate_to_datetime(text)
        # A date without a zone ("-0000") is UTC by RFC 5322.
        aware = date if date.tzinfo else date.replace(tzinfo=UTC)
        return min(max(0.0, (aware - now).total_seconds()), LONGEST)
    except Exception:  # the parser raises many kinds, not all of them documented
        return 0.0


def model_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a model server asks to wait, None when it asks for none.

    Beside what the standard has, these give milliseconds, and fractions of a second.
    """
    if (milliseconds := _number(headers.get("retry-after-ms"))) is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    if (seconds := _number(value)) is not None:
        return seconds
    return retry_after(value, now) or None


def _number(value: str | None) -> float | None:
    try:
        number = float(value or "")
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None
