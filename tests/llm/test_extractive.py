"""The answerer without a model: the source's own words, or an honest "I don't know"."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.contracts.chat import EXTRACTIVE, Passage, SourcesFrame
from libs.contracts.events import MessageSent
from services.llm.agent import AgentSettings
from services.llm.choices import Choice
from services.llm.interface import Ending
from services.llm.quote.quote import Extractive, extract, quote
from services.llm.quote.units import units_of
from tests.llm.conftest import Llm, settings_with
from tests.llm.grounded import DELIVERY, HOURS, a_grounded
from tests.llm.watching import well_formed

UNKNOWN = "I don't know."
AGENT = AgentSettings(threshold=0.5, no_answer=UNKNOWN, verbatim=False, max_tokens=100)


async def test_extractive_answer_streams_like_any_other(llm: Llm) -> None:
    """The answer of the best source arrives in several frames, and no model is asked."""
    await llm.start()
    await llm.ask(a_grounded(model=EXTRACTIVE))
    sent = await llm.watch.until_ended()
    assert isinstance(sent, MessageSent)
    assert (sent.model, sent.finish_reason) == ("extractive", "stop")
    assert "".join(llm.watch.texts()) == HOURS.answer
    assert len(llm.watch.texts()) > 1
    assert well_formed(llm.watch.frames)
    assert not llm.upstream.chats


async def test_unanswerable_question_gets_an_honest_answer(llm: Llm) -> None:
    """Below the threshold it says that it does not know, and shows what it looked at."""
    await llm.start(no_answer_text=f" {UNKNOWN}\n")
    await llm.ask(a_grounded(model=EXTRACTIVE, confidence=0.2))
    assert isinstance(await llm.watch.until_ended(), MessageSent)
    assert "".join(llm.watch.texts()) == UNKNOWN
    sources = llm.watch.frames[0]
    assert isinstance(sources, SourcesFrame)
    assert sources.confidence == 0.2
    assert len(sources.sources) == 2


@pytest.mark.parametrize(("confidence", "expected"), [(0.5, HOURS.answer), (0.4999, UNKNOWN)])
def test_threshold_decides(confidence: float, expected: str) -> None:
    """The threshold itself still answers."""
    assert extract(a_grounded(confidence=confidence), AGENT) == expected


def test_nothing_found_is_not_known() -> None:
    """Without passages there is nothing to answer with, whatever the confidence says."""
    assert extract(a_grounded(passages=(), confidence=1.0), AGENT) == UNKNOWN


def test_text_source_answers_with_its_best_sentence() -> None:
    """Of a text only what belongs to the question is quoted, in the source's words."""
    grounded = a_grounded((DELIVERY,), question="How long does a delivery to Makati take?")
    assert extract(grounded, AGENT) == "Delivery within Makati takes one day."


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Do you ship to other countries abroad?", "We do not ship abroad."),
        ("When are things baked?", "We bake every morning."),
        ("Are deliveries quick in Makati?", "Delivery within Makati takes one day."),
    ],
)
def test_word_forms_match(question: str, expected: str) -> None:
    """Plurals and tenses of a word are the same word."""
    assert quote((DELIVERY,), question) == expected


def test_heading_stays_with_what_it_introduces() -> None:
    """A line that ends with a colon is no answer without the next one."""
    text = "# Store\nOpening hours:\n9 AM to 6 PM\nParking:\nBehind the house"
    assert [(unit.lead, unit.text) for unit in units_of(text)] == [
        ("Store Opening hours:", "9 AM to 6 PM"),
        ("Parking:", "Behind the house"),
    ]
    passage = replace(DELIVERY, text=text)
    assert quote((passage,), "Is there parking?") == "Parking: Behind the house"


def test_text_found_by_its_meaning_alone_is_quoted_from_the_beginning() -> None:
    """No common word: the beginning of the passage, a few sentences at most."""
    passage = replace(DELIVERY, text=" ".join(f"Sentence number {n}." for n in range(10)))
    beginning = "Sentence number 0. Sentence number 1. Sentence number 2."
    assert quote((passage,), "Xyzzy?") == beginning


@given(
    st.lists(st.sampled_from(["# A", "B:", "- item", "| a | b |", "|---|---|", "Text. More", ""]))
)
def test_any_text_is_cut_into_units_without_losing_a_word(lines: list[str]) -> None:
    """Whatever the mixture of headings, lists and tables, every item and sentence is in a unit."""
    units = units_of("\n".join(lines))
    together = " ".join(f"{unit.lead} {unit.text} {unit.context}" for unit in units)
    assert sum(unit.text.endswith("item") for unit in units) == lines.count("- item")
    assert "More" in together or "Text. More" not in lines
    assert "A" in together or "# A" not in lines


@given(st.text("ab \n.é", max_size=200))
async def test_pieces_add_up_to_the_answer(text: str) -> None:
    """Whatever its white space, the answer that streams is the whole answer."""
    passage = Passage(source_id="s", type="qa", title="", relevance=1.0, text=text, answer=text)
    settings = settings_with(no_answer_text=UNKNOWN)
    grounded = a_grounded((passage,))
    pieces = [piece async for piece in Extractive(settings).answer(grounded, Choice(EXTRACTIVE, 1))]
    assert pieces.pop() == Ending()
    assert "".join(map(str, pieces)) == extract(grounded, AGENT)
