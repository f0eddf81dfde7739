"""Cutting sources: nothing is lost, nothing grows too long."""

from datetime import UTC, datetime
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.sources import Source, SourceType
from services.rag.index.chunk import chunks_of, embedded_text


def source(kind: SourceType = "text", **content: Any) -> Source:
    """A source with the given content."""
    moment = datetime(2026, 1, 23, tzinfo=UTC)
    return Source(
        id="s1",
        agent_id="a1",
        kind=kind,
        title="Title",
        status="queued",
        chunks=0,
        created_at=moment,
        updated_at=moment,
        **content,
    )


PROSE = st.lists(
    st.one_of(
        st.text(alphabet="abc é你🙂", min_size=1, max_size=60),
        st.sampled_from(["\n\n", "\n", ". ", " ", "?! ", "word " * 30]),
    ),
    max_size=40,
).map("".join)


@given(PROSE, st.integers(100, 300))
def test_nothing_is_lost_and_sizes_are_bounded(text: str, size: int) -> None:
    """Every visible character is in a chunk, once and in order, and no chunk is too long."""
    chunks = chunks_of(source(text=text), size=size, overlap=0)
    assert all(0 < len(chunk.text) <= size for chunk in chunks)
    assert visible("".join(chunk.text for chunk in chunks)) == visible(text)
    assert [chunk.number for chunk in chunks] == list(range(len(chunks)))


@given(
    st.lists(st.sampled_from([" ", "\n", "\n\n", ". "])), st.integers(100, 300), st.integers(1, 60)
)
def test_with_an_overlap_no_word_is_lost(seams: list[str], size: int, overlap: int) -> None:
    """Chunks that repeat words still contain all of them, in order, within the size."""
    words = [f"w{number}" for number in range(len(seams))]
    text = "".join(word + seam for word, seam in zip(words, seams, strict=True))
    chunks = chunks_of(source(text=text), size=size, overlap=overlap)
    assert all(len(chunk.text) <= size for chunk in chunks)
    found = [word.strip(".") for chunk in chunks for word in chunk.text.split()]
    assert list(dict.fromkeys(found)) == words


def visible(text: str) -> str:
    """A text without its white space."""
    return "".join(text.split())


def test_text_is_cut_between_paragraphs() -> None:
    """A paragraph that fits stays whole."""
    paragraphs = ["First. " * 10, "Second. " * 10, "Third. " * 10]
    chunks = chunks_of(source(text="\n\n".join(paragraphs)), size=100, overlap=0)
    assert [chunk.text for chunk in chunks] == [paragraph.strip() for paragraph in paragraphs]


def test_overlap_repeats_the_end_of_the_chunk_before() -> None:
    """With an overlap the next chunk begins with words of the last one."""
    text = " ".join(f"w{number}" for number in range(100))
    first, second, *_ = chunks_of(source(text=text), size=100, overlap=30)
    assert second.text.split()[0] in first.text.split()


def test_question_and_answer_stay_together() -> None:
    """A Q&A is one chunk, with both halves to be told apart."""
    answer = "Monday to Saturday. " * 50
    (chunk,) = chunks_of(source("qa", question="When?", answer=answer), size=100, overlap=0)
    assert (chunk.question, chunk.answer, chunk.text) == (
        "When?",
        answer,
        f"When?\n{answer}".strip(),
    )
    assert embedded_text(chunk).startswith("Title\nWhen?\nMonday")


def test_an_answer_that_no_model_reads_to_its_end_is_several_chunks() -> None:
    """Each has the question, none says what another says, and together they say all."""
    answer = " ".join(f"Rule {number} is a rule like others." for number in range(200))
    found = chunks_of(source("qa", question="Rules?", answer=answer), size=100, overlap=0)
    assert {chunk.question for chunk in found} == {"Rules?"}
    assert " ".join(chunk.text.removeprefix("Rules?\n") for chunk in found) == answer
    assert not any(chunk.answer for chunk in found)
    assert [chunk.number for chunk in found] == list(range(len(found)))


def test_blank_sources_have_no_chunks() -> None:
    """White space is nothing to find."""
    assert chunks_of(source(text=" \n\t "), size=100, overlap=0) == []
    assert chunks_of(source("qa", question="When?", answer=" "), size=100, overlap=0) == []
