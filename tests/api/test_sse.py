"""What goes over the wire of a stream, as the narrowest of the clients in use read it."""

import json
import re
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.api.http import sse

# None is a heartbeat.
EVENTS = st.lists(st.none() | st.fixed_dictionaries({"text": st.text(max_size=20)}), max_size=6)
cheap = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def wire(events: list[dict[str, Any] | None]) -> bytes:
    """The bytes of these events."""
    return b"".join(
        sse.HEARTBEAT if data is None else sse.event("text", f"msg_1.1.{number}", data)
        for number, data in enumerate(events)
    )


def blank_line_events(stream: bytes) -> list[tuple[str, str]]:
    """Name and data of every event, to a parser for which each blank line ends one."""
    events = []
    name = data = ""
    for line in re.split(rb"\r\n|\r|\n", stream)[:-1]:
        field, _, value = line.decode().partition(":")
        if not line:
            events.append((name, data))
            name = data = ""
        elif field == "event":
            name = value.strip()
        elif field == "data":
            data += value.removeprefix(" ")
    return events


@cheap
@given(EVENTS)
def test_no_blank_line_without_an_event(events: list[dict[str, Any] | None]) -> None:
    """Wherever heartbeats fall: at the start, between two events, at the end, several in a row."""
    seen = blank_line_events(wire(events))
    assert [name for name, _ in seen] == ["text"] * len(seen)
    assert [json.loads(data) for _, data in seen] == [data for data in events if data is not None]


@cheap
@given(EVENTS)
def test_a_stream_is_ascii(events: list[dict[str, Any] | None]) -> None:
    """So it may be cut anywhere, and has no line ends but its own, in any language's reading."""
    stream = wire(events)
    assert stream.isascii()
    assert stream.decode().splitlines() == stream.decode().split("\n")[:-1]


TEXT = "₱1,500 señor 日本\u2028\u2029\u0085👩‍👩‍👧 \x00\x1c\x7f\ufeff end"


def test_the_documentations_loop_at_every_border() -> None:
    """It decodes each chunk by itself: cut anywhere, nothing turns into a replacement character."""
    stream = wire([{"text": TEXT}, None, {"text": TEXT}])
    for cut in range(len(stream) + 1):
        shown = "".join(part.decode(errors="replace") for part in (stream[:cut], stream[cut:]))
        assert "\ufffd" not in shown
        assert [json.loads(data) for _, data in blank_line_events(shown.encode())] == [
            {"text": TEXT}
        ] * 2


@pytest.mark.parametrize("data", [{}, {"text": ""}, [], "", None, 0])
def test_every_event_has_data(data: Any) -> None:
    """Whatever it is, there is JSON in it."""
    [(name, seen)] = blank_line_events(sse.event("reset", "msg_1.restart", data))
    assert (name, json.loads(seen)) == ("reset", data)
