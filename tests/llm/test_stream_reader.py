"""Reading an event stream, whatever its cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.failures import Failed
from services.llm.interface import Ending
from services.llm.model.stream_reader import StreamReader

STREAM = (
    ': a comment\r\n\r\nevent: x\r\ndata: {"choices":[{"delta":{"role":"assistant"}}]}\r\n\r\n'
    'data: {"choices":[{"delta":{"content":"Pô, "},"finish_reason":null}],"usage":null}\n\n'
    'data:{"choices":[{"delta":{"content":"日本\\n"}}],"error":null}\n\n'
    'data: {"choices":[{"delta":{},"finish_reason":"stop"}]}\n\n'
    'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":2}}\n\n'
    "data: [DONE]\n\n"
).encode()


@given(st.lists(st.integers(0, len(STREAM)), max_size=8))
def test_stream_reads_the_same_however_it_is_cut(cuts: list[int]) -> None:
    """Network reads end anywhere, within a line, within a character."""
    reader = StreamReader()
    places = [0, *sorted(cuts), len(STREAM)]
    parts = [STREAM[a:b] for a, b in pairwise(places)]
    assert "".join(map(reader.feed, parts)) == "Pô, 日本\n"
    assert reader.complete
    assert reader.ending() == Ending("stop", prompt_tokens=3, completion_tokens=2)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"data: {nonsense", "upstream_error"),
        (b'data: {"error": {"message": "no"}}', "upstream_error"),
        (b'data: {"choices":[{"finish_reason":"error"}]}', "upstream_error"),
        (b'data: {"choices":[{"finish_reason":"content_filter"}]}', "upstream_refused"),
        (b'data: {"choices":[{"delta":{"refusal":"no"}}]}', "upstream_refused"),
        (b"data: " + b"[" * 100_000, "upstream_error"),
        (b"data: {" + b"\ndata: {" * 2_000, "upstream_error"),
    ],
)
def test_what_is_no_answer_has_its_code(line: bytes, code: str) -> None:
    """What came before it is handed out all the same."""
    reader = StreamReader()
    text = reader.feed(b'data: {"choices":[{"delta":{"content":"so far"}}]}\n\n' + line + b"\n\n")
    assert text == "so far"
    assert reader.failure is not None
    assert reader.failure.code == code
    with pytest.raises(Failed):
        reader.ending()


def test_endless_line_is_given_up() -> None:
    """With the text that came before it."""
    reader = StreamReader()
    said = b'data: {"choices":[{"delta":{"content":"so far"}}]}\n'
    assert reader.feed(said + b"x" * 2_000_000) == "so far"
    assert reader.failure is not None


def test_error_in_the_stream_is_told_from_an_unreadable_chunk() -> None:
    """The log can tell a server that failed, and how, from one that says nonsense."""
    for line, detail in (
        (
            b'data: {"error": {"code": "bad_gateway", "type": "x y z", "message": "secret"}}',
            "code bad_gateway",
        ),
        (b'data: {"error": {"message": "secret"}}', "an error without a code"),
        (b'data: {"error": {"code": "sk-abc123", "message": "secret"}}', "an error without a code"),
        (b'data: {"choi', "a chunk can't be read"),
    ):
        reader = StreamReader()
        reader.feed(line + b"\n\n")
        assert reader.failure is not None
        assert reader.failure.detail == detail


def test_stream_that_just_ends_broke_off() -> None:
    """Without a finish_reason and [DONE]; each of the two makes an answer complete."""
    reader = StreamReader()
    reader.feed(b'data: {"choices":[{"delta":{"content":"x"}}]}\n\n')
    reader.close()
    with pytest.raises(Failed, match="broke off"):
        reader.ending()
    reader.feed(b"data: [DONE]\n\n")
    assert reader.ending() == Ending("stop")


JUNK = st.sampled_from(
    [
        b"data: ",
        b"data:",
        b"\n",
        b"\r",
        b"\r\n",
        b"event: ping",
        b"event: error",
        b"id: 1",
        b":",
        b"{",
        b"}",
        b'"',
        b"[",
        b"]",
        b"null",
        b"[DONE]",
        b"error: ",
        b"\xef\xbb\xbf",
        b"\xff",
        b"\\ud83d",
        b"\0",
        b"NaN",
        b"-1e999",
        b'{"choices":[{"delta":{"content":"a"}}]}',
        b'{"choices":{"a":[]}}',
        b'{"usage":{"prompt_tokens":"x"}}',
        b'{"choices":[{"finish_reason":"stop"}]}',
        b'{"choices":[{"delta":[1],"finish_reason":{"type":1}}]}',
        b'{"error":{"code":[1],"message":{"a":1}}}',
        b'{"detail":[{"loc":"x","msg":1}]}',
        b'{"errors":7}',
        b'{"choices":[{"message":{"content":[[["a"]]]}}]}',
        b'{"choices":[7,null]}',
    ]
)


@given(st.lists(JUNK | st.binary(max_size=6), max_size=30), st.integers(1, 9))
def test_nothing_that_a_server_sends_breaks_the_reader(parts: list[bytes], size: int) -> None:
    """Whatever comes is text, a failure, or nothing; and the same however it is cut."""
    data = b"".join(parts)
    whole, cut = StreamReader(), StreamReader()
    text = whole.feed(data) + whole.close()
    pieces = [cut.feed(data[start : start + size]) for start in range(0, len(data), size)]
    assert "".join(pieces) + cut.close() == text
    assert str(whole.failure) == str(cut.failure)
    (text + whole.rest()).encode()
