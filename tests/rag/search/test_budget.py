"""How much of what was found goes with a question."""

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.chat import Passage
from libs.contracts.sizes import KB, PASSAGES, size_of
from services.rag.search.budget import in_budget


def passage(letter: str, length: int, *, question: str = "", around: int = 10) -> Passage:
    """A passage of so many letters, a Q&A when it has a question."""
    return Passage(
        source_id="src_1",
        type="qa" if question else "text",
        title=letter * around,
        relevance=0.9,
        text=f"{question}\n{letter * length}",
        question=question,
        answer=letter * length if question else "",
        heading=letter * around,
        url="https://shop.example/" + "a" * 1_900,
    )


PASSAGES_OF_ALL_KINDS = st.lists(
    st.builds(
        passage,
        st.sampled_from(["a", "\x01", "🙂", '"', "\n", "ก"]),
        st.sampled_from([0, 30, 400, 20_000, 90_000, 600_000]),
        question=st.sampled_from(["", "When?", "🙂" * 2_000, "\x01" * 600_000]),
        around=st.sampled_from([0, 300, 200_000]),
    ),
    max_size=50,
)


@given(PASSAGES_OF_ALL_KINDS)
def test_passages_of_any_kind_fit(passages: list[Passage]) -> None:
    """All together, with their titles, questions and addresses; the best one is there."""
    found = in_budget(passages)
    assert size_of(found) <= PASSAGES + KB
    assert bool(found) == bool(passages)
    for one, whole in zip(found, passages, strict=False):
        assert whole.text.startswith(one.text)
        assert whole.answer.startswith(one.answer)
        assert whole.title.startswith(one.title)


def test_the_usual_ones_stay_as_they_are() -> None:
    """Six Q&A of all the letters that the API takes."""
    passages = tuple(passage("a", 20_000, question=f"Question {n}?") for n in range(6))
    assert in_budget(passages) == passages
