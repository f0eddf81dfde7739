"""Questions and what stands for their answers: stored ones, facts, phone numbers, other scripts."""

import pytest

from libs.language.folding import folded
from services.rag.index.interface import Chunk, Hit
from services.rag.index.words import words_of_passage, words_of_question
from services.rag.search.rank import EXACT, ranked

NEAR = 0.55
"""A cosine like those of passages that nearly answer."""


def hit(text: str, *, question: str = "", title: str = "", score: float = NEAR) -> Hit:
    """A passage, or the answer of a stored question, as it is found."""
    chunk = Chunk(
        agent_id="a",
        source_id="s",
        version=1,
        number=0,
        kind="qa" if question else "text",
        title=title,
        text=f"{question}\n{text}".strip(),
        question=question,
        answer=text if question else "",
    )
    return Hit(chunk, score, frozenset(words_of_passage(f"{title} {chunk.text}", question).indices))


def best(question: str, *hits: Hit, known: bool = True) -> tuple[str, float]:
    """Return the text that comes first, and its score."""
    words = words_of_question(question, known=known)
    first = ranked(hits, question, words)[0]
    return first.hit.chunk.answer or first.hit.chunk.text, first.score


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("do you deliver", "Do you deliver?"),
        ("DO YOU DELIVER?!", "Do you deliver?"),
        ("  Do   you\ndeliver ? ", "Do you deliver?"),
        ("\uff24o you deliver\uff1f", "Do you deliver?"),
        ("Wo ist die Straße?", "wo ist die strasse"),
    ],
)
def test_a_stored_question_is_itself(asked: str, stored: str) -> None:
    """In whatever size its letters are, and however it is spaced."""
    assert folded(asked) == folded(stored)


def test_the_question_that_was_stored_comes_first() -> None:
    """Though narrower ones with shorter answers are nearer by far."""
    found = best(
        "Do you deliver?",
        hit("No.", question="Do you deliver on Sundays?", score=0.93),
        hit("Not yet.", question="Do you deliver to Mindanao?", score=0.92),
        hit("Yes, in two to four days, with J&T and LBC.", question="Do you deliver?", score=0.5),
    )
    assert found == ("Yes, in two to four days, with J&T and LBC.", EXACT)


def test_what_a_stored_question_asks_besides_costs() -> None:
    """The wider of two that are as near is nearer."""
    found = best(
        "Is there any parking?",
        hit("No.", question="Is there parking for trucks?", score=0.8),
        hit("Two hours free.", question="Do you have parking?", score=0.79),
    )
    assert found[0] == "Two hours free."


@pytest.mark.parametrize(
    ("question", "fact", "other"),
    [
        ("How much is the Sans rival?", "- Sans rival, ₱1,150\n- Mango float, ₱650", "- Taho, ₱50"),
        ("What is your phone number?", "Phone: 042-555-0177\nViber: 0917", "We answer quickly."),
        (
            "What are your opening hours?",
            "Open daily 5 AM to 8:30 PM.",
            "The shop is old and open.",
        ),
        ("Where are you located?", "14 Calle Rizal, Tayabas", "You find friends here."),
        ("What is your email address?", "Email: hello@ising.example", "We like post."),
        ("What is the company called?", "Company: Bayani Motors", "A company is a group."),
        ("What is the warranty of the X7?", "X7 warranty: 2 years", "We offer a warranty on most."),
        ("Magkano ang adobo?", "Adobo ₱120", "Ang adobo ay masarap."),
    ],
)
def test_a_short_fact_is_worth_more_than_its_vector(question: str, fact: str, other: str) -> None:
    """A line that gives what is asked for, of what it is asked for."""
    words = words_of_question(question)
    scores = {
        one.hit.chunk.text: one.score for one in ranked([hit(fact), hit(other)], question, words)
    }
    assert scores[fact] >= scores[other] + 0.15


@pytest.mark.parametrize(
    ("question", "text"),
    [
        ("How much is the helicopter tour?", "- Sans rival, ₱1,150\n- Mango float, ₱650"),
        ("What is the email of Anna?", "Email: hello@ising.example"),
        ("What is the warranty of the X8?", "X7 warranty: 2 years"),
    ],
)
def test_a_fact_about_something_else_is_none(question: str, text: str) -> None:
    """A price is not the price of everything."""
    (found,) = ranked([hit(text)], question, words_of_question(question))
    assert found.score < NEAR + 0.16


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("09171234567", "+63 917 123 4567"),
        ("(032) 255-0198", "0322550198"),
        ("0917-123-4567", "(0917) 123 4567"),
        ("02 8555 0101", "02-8555-0101"),
    ],
)
def test_a_phone_number_is_one_in_any_form(asked: str, stored: str) -> None:
    """By its last figures."""
    words = words_of_question(f"Whose number is {asked}?")
    assert words.codes <= frozenset(words_of_passage(f"Makati branch: {stored}").indices)


@pytest.mark.parametrize(
    ("question", "right", "wrong"),
    [
        ("几点开门?", "早上九点开门,晚上六点关门。", "可以用支付宝付款。"),
        ("送料はいくらですか", "送料は五百円です。", "店は九時に開きます。"),
        ("ค่าจัดส่งเท่าไหร่", "ค่าจัดส่ง 50 บาท", "ร้านเปิดทุกวัน"),
        ("كم رسوم التوصيل؟", "رسوم التوصيل خمسون ريالا.", "نفتح في التاسعة."),
        ("כמה עולה המשלוח?", "המשלוח עולה שלושים שקלים.", "אנחנו פתוחים בתשע."),
    ],
)
def test_words_decide_where_the_model_knows_no_language(
    question: str, right: str, wrong: str
) -> None:
    """Vectors say nothing there: what shares no word has no score, however near it seems."""
    text, score = best(question, hit(wrong, score=0.99), hit(right, score=0.2), known=False)
    assert text == right
    assert score > best(question, hit(wrong, score=0.99), known=False)[1]
    assert best(question, hit(wrong, score=0.99), known=False)[1] < 0.55
