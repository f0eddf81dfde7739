# ruff: noqa: E501 -- a case reads best on a line of its own
"""What is quoted of a row, a list, a heading: what answers, not what repeats the question."""

import pytest

from libs.contracts.chat import Passage
from services.llm.quote.quote import quote


def passage(text: str, **fields: object) -> Passage:
    """A passage that was found for the question."""
    values = {"source_id": "src_1", "type": "file", "title": "Prices", "relevance": 0.9}
    return Passage(**(values | {"text": text} | fields))  # type: ignore[arg-type]


WIDE = "\n".join(
    ["Model: Atlas 700", *(f"Spec {n}: {n * 31}" for n in range(20)), "Max load (kg): 450"]
)


@pytest.mark.parametrize(
    ("question", "text", "says"),
    [
        ("What is the max load of the Atlas 700?", WIDE, "Atlas 700, Max load (kg): 450"),
        ("How much is the Ube cake?", "Item: Ube cake\nPrice: 780", "Item: Ube cake, Price: 780"),
        (
            "Who are the trainers in Makati?",
            "| Branch | Trainer |\n| --- | --- |\n| Makati | Ana |\n| Makati | Ben |\n| Cebu | Eve |",
            "Branch: Makati, Trainer: Ana\nBranch: Makati, Trainer: Ben",
        ),
        ("Are you open on Sundays?", "Are you open on Sundays? No, we are closed.", "No, we are closed."),
        (
            "What are the steps to check in?",
            "Steps to check in:\n\n1. Show an ID\n\n2. Pay\n\nA photo is taken.\n\n3. Sign",
            "1. Show an ID\n2. Pay\n3. Sign",
        ),
        (
            "How much is the Kanin Pro?",
            "SKU: K-77\nName: Kanin Pro\nDescription: " + "It cooks rice. " * 14 + "\nPrice: 4,350.00",
            "K-77, Kanin Pro, Price: 4,350.00",
        ),
    ],
)  # fmt: skip
def test_what_is_quoted(question: str, text: str, says: str) -> None:
    """The cell with its row's name, all rows that are asked for, what stands below a question."""
    assert says in quote([passage(text)], question)


def test_rows_of_several_passages_are_all_quoted() -> None:
    """Each row of a sheet is a passage of its own."""
    rows = [
        passage(f"Category: Soups\nDish: {dish}\nPrice: {price}")
        for dish, price in (("Tinola", 170), ("Bulalo", 260), ("Sinigang", 180))
    ]
    said = quote(rows, "Which soups do you have?")
    assert all(dish in said for dish in ("Tinola", "Bulalo", "Sinigang"))
    only = quote(rows, "How much is the Bulalo?")
    assert "260" in only
    assert "170" not in only


def test_of_a_long_answer_what_answers_is_quoted() -> None:
    """A page of rules is not told whole for one of them."""
    rules = " ".join(f"Rule {n} is about something else entirely." for n in range(60))
    piece = f"{rules} Members who lose their passbook pay 75 pesos."
    found = passage(f"Rules?\n{piece}", question="Rules?")
    said = quote([found], "How much do I pay when I lose my passbook?")
    assert "75 pesos" in said
    assert len(said) < 300
