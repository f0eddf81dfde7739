"""Which questions are suggested: pure rules over what a search found."""

from libs.contracts.chat import Exchange, Ground
from services.rag.index.interface import Chunk, Hit
from services.rag.search.rank import Ranked
from services.rag.search.suggest import LONGEST, suggest


def hit(question: str, relevance: float = 0.2, answer: str = "Yes.") -> Ranked:
    """Return a found Q&A; its score is its relevance here."""
    chunk = Chunk(
        agent_id="a1",
        source_id="s1",
        number=0,
        kind="qa",
        title="",
        text=f"{question}\n{answer}",
        question=question,
        answer=answer,
    )
    return Ranked(Hit(chunk, 0.0), relevance)


def suggested(
    *hits: Ranked, most: int = 3, question: str = "Hi", **asked: object
) -> tuple[str, ...]:
    """Return what is suggested after a question."""
    ground = Ground(agent_id="a1", question=question, suggestions=most, **asked)  # type: ignore[arg-type]
    return suggest(ground, hits, lambda score: score)


def test_nearest_come_first_up_to_so_many() -> None:
    """In the order of the search; none when none are wanted."""
    hits = [hit(f"Question {n}?", 0.4 - n / 10) for n in range(4)]
    assert suggested(*hits, most=2) == ("Question 0?", "Question 1?")
    assert suggested(*hits, most=0) == ()


def test_what_was_answered_just_now_is_left_out() -> None:
    """Relevant enough to have been the answer, or asked in the same words."""
    hits = (hit("Where?", 0.5), hit("When do you open?", 0.49), hit("How?", 0.3))
    assert suggested(*hits, question="when do you open") == ("How?",)


def test_what_the_conversation_was_about_is_left_out() -> None:
    """Asked in the same words, or answered by that Q&A whatever the model's words were."""
    history = (
        Exchange(question="WHERE are you", answer="In Cebu."),
        Exchange(question="And my car?", answer="Put it here.", answered="Is there parking?"),
    )
    hits = (hit("Where are you?"), hit("Is there parking?"), hit("How?"))
    assert suggested(*hits, history=history) == ("How?",)


def test_each_question_once_and_none_that_is_none() -> None:
    """Texts have no question, copies are one, and a button has no room for a letter."""
    long = "Why? " * LONGEST
    assert suggested(hit(""), hit(long), hit("How?"), hit(" how ")) == ("How?",)
