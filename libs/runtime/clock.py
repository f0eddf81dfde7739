"""The time, as precise as it can be stored."""

from datetime import UTC, datetime


def now() -> datetime:
    """Return the time in UTC to the millisecond, which is what Mongo keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
