"""Reading an event stream, whatever its cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.answerer import Ending
from services.llm.failures import Failed
from services.llm.stream_reader import StreamReader

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
        (b"data: nonsense", "upstream_error"),
        (b'data: {"choices": 7}', "upstream_error"),
        (b'data: {"choices":[{"delta":{"content":"\xff"}}]}', "upstream_error"),
        (b'data: {"error": {"message": "no"}}', "upstream_error"),
        (b'data: {"choices":[{"finish_reason":"error"}]}', "upstream_error"),
        (b'data: {"choices":[{"finish_reason":"content_filter"}]}', "upstream_refused"),
        (b'data: {"choices":[{"delta":{"refusal":"no"}}]}', "upstream_refused"),
        (b"x" * 2_000_000, "upstream_error"),
    ],
)
def test_what_is_no_answer_is_refused(line: bytes, code: str) -> None:
    """A stream that can't be read, or says that it failed, has its code."""
    with pytest.raises(Failed) as failed:
        StreamReader().feed(line if len(line) > 1_000_000 else line + b"\n")
    assert failed.value.code == code


def test_error_in_the_stream_is_told_from_an_unreadable_chunk() -> None:
    """The log can tell a server that failed from one that speaks another language."""
    with pytest.raises(Failed, match="says error"):
        StreamReader().feed(b'data: {"error": {"message": "no"}}\n')


def test_stream_without_finish_reason_broke_off() -> None:
    """[DONE] alone does not make an answer complete."""
    reader = StreamReader()
    reader.feed(b'data: {"choices":[{"delta":{"content":"x"}}]}\n\ndata: [DONE]\n\n')
    with pytest.raises(Failed, match="broke off"):
        reader.ending()
