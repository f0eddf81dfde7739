"""What a question takes along of its conversation."""

from hypothesis import given
from hypothesis import strategies as st

from libs.contracts.chat import Exchange
from libs.contracts.sizes import KB, size_of
from services.api.store.history import SAID, shortened, taken_along

LENGTHS = st.sampled_from([0, 3, 200, 5_000, 40_000, 150_000])
LETTERS = st.sampled_from(["a", "\x01", "🙂", '"', "ก"])
EXCHANGES = st.lists(
    st.builds(
        lambda letter, question, answer: Exchange(
            question=letter * min(question, 8_000), answer=letter * answer, answered=letter * 3
        ),
        LETTERS,
        LENGTHS,
        LENGTHS,
    ),
    max_size=20,
)


@given(EXCHANGES, st.integers(0, 20), st.sampled_from([8 * KB, 128 * KB, 256 * KB]))
def test_a_history_is_bounded_and_is_the_newest(
    recent: list[Exchange], most: int, most_bytes: int
) -> None:
    """Whatever was said before, in whatever letters; the last exchange is always among it."""
    taken = taken_along(recent, most, most_bytes)
    assert size_of(taken) <= most_bytes + 2
    assert len(taken) <= most
    newest = recent[len(recent) - len(taken) :] if taken else []
    for said, whole in zip(taken, newest, strict=True):
        assert whole.question.startswith(said.question)
        assert whole.answer.startswith(said.answer)
    if recent and most:
        assert taken


def test_what_is_short_is_taken_along_as_it_was() -> None:
    """The usual conversation."""
    recent = [Exchange(question=f"{n}?", answer=f"{n}.", answered="A") for n in range(20)]
    assert taken_along(recent, 10, 128 * KB) == tuple(recent[-10:])
    assert taken_along(recent, 0, 128 * KB) == ()


def test_all_that_a_conversation_remembers_fits_into_a_document() -> None:
    """Twenty exchanges of the largest answers there are stay far below 16 MB."""
    largest = shortened(
        Exchange(question="🙂" * 8_000, answer="🙂" * 150_000, answered="🙂" * 9_000)
    )
    assert 20 * size_of(largest) < 2 * 1024 * KB
    assert len(largest.answer.encode()) > SAID - 4
