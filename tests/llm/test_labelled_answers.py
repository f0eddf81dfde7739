"""The extractive answerer against labelled questions: the sentence that answers is in the quote."""

import json
from pathlib import Path
from typing import Any

import pytest

from libs.contracts.chat import Passage
from services.llm.quote.quote import quote
from services.llm.quote.units import split_sentences

LABELLED = json.loads(Path(__file__).with_name("labelled_answers.json").read_text("utf-8"))
MOST_TIMES_AS_LONG = 3.5
"""A quote may have up to three sentences, so it is not much longer than what was asked for."""


def passages(names: list[str]) -> tuple[Passage, ...]:
    """Return the passages, the first a little more relevant than the next."""
    return tuple(_passage(name, 0.95 - 0.05 * rank) for rank, name in enumerate(names))


def _passage(name: str, relevance: float) -> Passage:
    fields: dict[str, Any] = {"text": "", "type": "text"} | LABELLED["passages"][name]
    if "answer" in fields:
        fields |= {"text": f"{fields['question']}\n{fields['answer']}", "type": "qa"}
    return Passage(source_id=name, relevance=relevance, **fields)


@pytest.mark.parametrize(
    "case", LABELLED["cases"], ids=lambda case: f"{case['kind']}: {case['question']}"
)
def test_quote_has_what_answers(case: dict[str, Any]) -> None:
    """The answer is quoted whole, and little beside it."""
    quoted = quote(passages(case["passages"]), case["question"])
    assert case["expected"] in quoted
    assert len(quoted) <= MOST_TIMES_AS_LONG * len(case["expected"])


@pytest.mark.parametrize(
    "sentence",
    [
        "Dr. Cruz is in from 9 a.m. to 5 p.m. on weekdays.",
        "It costs ₱1,500.00 or 2.5 times as much.",
        "Ask Engr. Reyes or Gng. Cruz at Brgy. San Roque, Sta. Mesa.",
        "See www.example.ph/menu.html or https://example.ph for more.",
        "It weighs approx. 3.5 kg, e.g. with its box.",
    ],
)
def test_sentence_is_not_cut(sentence: str) -> None:
    """Abbreviations, decimals and addresses end no sentence; the one before and after do."""
    assert split_sentences(f"Welcome! {sentence} Thank you.") == [
        "Welcome!",
        sentence,
        "Thank you.",
    ]
