"""Retry-After, as strangers write it."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.egress.retry_after import LONGEST, retry_after

NOW = datetime(2026, 1, 23, 10, 0, 0, tzinfo=UTC)
# What a header of a stranger's may be made of: any text, and what looks like the real thing.
DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Mon", "Fri", "", "X" * 50]),
    st.integers(-5, 10**25) | st.integers(0, 31),
    st.sampled_from(["Jan", "Feb", "Dec", "Foo", ""]),
    st.integers(-(10**25), 10**25) | st.integers(0, 10_000),
    *(st.integers(-1, 10**20) | st.integers(0, 59) for _ in range(3)),
    st.sampled_from(["GMT", "-0000", "+99999999999999", "-2400", "+9999", "\0", "Z"])
    | st.integers(-(10**20), 10**20).map("{:+}".format),
)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (None, 0.0),
        ("", 0.0),
        ("120", 120.0),
        (" 7 ", 7.0),
        ("-5", 0.0),
        ("5, 10", 0.0),
        ("1.5", 0.0),
        ("soon", 0.0),
        ("²", 0.0),
        ("\uff11\uff12", 0.0),
        ("1e9", 0.0),
        ("inf", 0.0),
        ("Fri, 23 Jan 2026 10:01:00 GMT", 60.0),
        ("Fri, 23 Jan 2026 10:01:00 -0000", 60.0),
        ("Fri, 23 Jan 2026 09:00:00 GMT", 0.0),
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", 0.0),
        ("Fri, 23 Jan 2026 10:01:00 +99999999999999", 0.0),
        ("Fri, 31 Dec 9999 23:59:59 -2359", LONGEST),
        ("Mon, 01 Jan 0001 00:00:00 +2359", 0.0),
        ("9" * 400, LONGEST),
    ],
)
def test_both_forms_are_read(header: str | None, seconds: float) -> None:
    """Seconds or a date; what is neither means nothing."""
    assert retry_after(header, NOW) == seconds


@given(st.text() | DATES | st.binary().map(lambda raw: raw.decode("latin-1")))
def test_nothing_raises(header: str) -> None:
    """Whatever it says, it is a number of seconds that can be waited."""
    assert 0.0 <= retry_after(header, NOW) <= LONGEST
