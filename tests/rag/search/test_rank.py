"""The order of what was found."""

from services.rag.index.interface import Chunk, Hit
from services.rag.index.words import Words, words_of_passage, words_of_question
from services.rag.search.rank import WORDS_WEIGHT, distinct, ranked


def hit(number: int, score: float, words: set[int], text: str = "…") -> Hit:
    """A hit with little in it."""
    chunk = Chunk(agent_id="a", source_id="s", number=number, kind="text", title="", text=text)
    return Hit(chunk, score, frozenset(words))


def test_shared_words_lift_a_chunk_and_rare_ones_lift_it_most() -> None:
    """Of equal cosines the one with the rare word comes first, then the one with the common one."""
    hits = [hit(0, 0.6, {9}), hit(1, 0.6, {1}), hit(2, 0.6, {1, 9}), hit(3, 0.6, {1, 2})]
    assert [one.hit.chunk.number for one in ranked(hits, "", Words((1, 2)))] == [3, 1, 2, 0]


def test_the_weight_of_all_words_is_bounded() -> None:
    """Sharing everything adds WORDS_WEIGHT to the cosine, sharing nothing adds nothing."""
    scores = {
        one.hit.chunk.number: one.score
        for one in ranked([hit(0, 0.5, {1}), hit(1, 0.5, set())], "", Words((1,)))
    }
    assert scores == {0: 0.5 + WORDS_WEIGHT, 1: 0.5}
    assert [one.score for one in ranked([hit(0, 0.5, {1})], "", Words(()))] == [0.5]


def test_copies_make_room_for_what_is_different() -> None:
    """A nearly equal text is left out; one with another figure is not."""
    text = (
        "Delivery within Metro Manila costs 90 pesos and takes one day from our branch in Pasig; "
        "orders that arrive before noon leave with the first rider, all others on the next morning."
    )
    texts = (text, text.upper(), text.replace("90", "95"), "Something else.")
    found = ranked(
        [hit(n, 0.9 - n / 10, set(), each) for n, each in enumerate(texts)], "", Words(())
    )
    assert [one.hit.chunk.number for one in distinct(found, 4)] == [0, 2, 3]
    assert [one.hit.chunk.number for one in distinct(found, 2)] == [0, 2]


def test_a_shared_code_outweighs_a_nearer_vector() -> None:
    """The chunk with the code is first, however far its vector is from the nearest one's."""
    words = words_of_question("magkano ang PB-30K?")
    with_code = frozenset(words_of_passage("Power bank PB-30K, black").indices)
    found = ranked([hit(0, 0.7, set()), hit(1, 0.45, set(with_code))], "", words)
    assert [one.hit.chunk.number for one in found] == [1, 0]


def test_codes_are_told_from_times_and_amounts() -> None:
    """Letters before digits, or five digits and more; spelled with or without separators."""
    assert words_of_question("pb-30k").codes == words_of_question("PB30K").codes != frozenset()
    assert words_of_question("error E21").codes
    assert words_of_question("tracking 1234567").codes
    assert not words_of_question("open at 9am? 3kg for 150 pesos on 12-25").codes
