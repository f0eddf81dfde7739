"""Models in line: who is asked, for how long, and who answers."""

import pytest
from msgspec.structs import replace

from libs.contracts.chat import Fallback
from libs.contracts.events import MessageFailed, MessageSent
from services.llm.choices import Choices
from services.llm.model.patience import Timeouts
from tests.fakes.openai_server import Script
from tests.llm.conftest import Llm
from tests.llm.grounded import HOURS, a_grounded, a_request

SECOND = Fallback(model="second", credits=2)
THIRD = Fallback(model="third", credits=1)


def test_line_knows_who_is_asked() -> None:
    """The request's own model, then the fallbacks in order, each with its price."""
    line = Choices(a_request(model="first", credits=5, fallbacks=(SECOND, THIRD)))
    assert line.asked.model == "first"
    seen = [(choice.model, choice.credits, choice.behind) for choice in line]
    assert seen == [("first", 5, 2), ("second", 2, 1), ("third", 1, 0)]
    assert line.asked.model == "third"


@pytest.mark.parametrize(
    ("spent", "models", "first"), [(0, 1, 30), (0, 3, 10), (12, 2, 9), (30, 1, 15), (99, 2, 7.5)]
)
def test_patience_is_shared(spent: float, models: int, first: float) -> None:
    """Each model gets an equal part of what is left; half of it when one lived longer than that."""
    part = Timeouts(first=30, between=20, total=120).part(spent, models)
    left = 120 - spent
    assert part == Timeouts(first=first, between=20, total=left, begin=left / models)


async def test_model_that_hangs_leaves_time_for_the_next(llm: Llm) -> None:
    """Within one patience for both, and the first is let go."""
    await llm.start(llm_first_token_timeout=2)
    await llm.ask(a_grounded(model="fake-hang", fallbacks=(SECOND,)))
    sent = await llm.watch.until_ended()
    assert isinstance(sent, MessageSent)
    assert (sent.model, sent.credits) == ("second", 2)
    assert llm.upstream.disconnects == 1


async def test_model_with_another_behind_it_is_asked_once(llm: Llm) -> None:
    """What refuses for now is not waited for when somebody else can answer at once."""
    llm.upstream.scripts["busy"] = Script(status=429, retry_after="20")
    await llm.start(llm_retries=2)
    await llm.ask(
        a_grounded(model="fake-503", fallbacks=(Fallback(model="busy", credits=1), SECOND))
    )
    sent = await llm.watch.until_ended()
    assert isinstance(sent, MessageSent)
    asked = [seen.body["model"] for seen in llm.upstream.chats]
    assert asked == ["fake-503", "busy", "second"]


async def test_last_model_in_line_is_tried_again(llm: Llm) -> None:
    """As a single model would be."""
    await llm.start(llm_retries=2)
    again = Fallback(model="fake-503-once", credits=1)
    await llm.ask(a_grounded(model="fake-404", fallbacks=(again,)))
    assert isinstance(await llm.watch.until_ended(), MessageSent)
    assert len(llm.upstream.chats) == 3


async def test_failure_of_the_last_is_the_answers(llm: Llm) -> None:
    """One outcome, and each failure in the log."""
    await llm.start()
    await llm.ask(a_grounded(model="fake-503", fallbacks=(Fallback(model="fake-401", credits=1),)))
    failed = await llm.watch.until_ended()
    assert isinstance(failed, MessageFailed)
    assert failed.code == "model_unavailable"
    assert llm.watch.logged == [failed]


async def test_extractive_answers_when_no_model_does(llm: Llm) -> None:
    """Even where no model server is configured."""
    await llm.start(llm_base_url="", llm_api_key="")
    await llm.ask(a_grounded(fallbacks=(Fallback(model="extractive", credits=1),)))
    sent = await llm.watch.until_ended()
    assert isinstance(sent, MessageSent)
    assert (sent.model, sent.message) == ("extractive", HOURS.answer)


async def test_suggestions_leave_out_what_was_answered(llm: Llm) -> None:
    """The best passage's question goes when it was good enough, and stays when it was not."""
    await llm.start(answer_threshold=0.3)
    for confidence, left in ((0.4, ("Where?",)), (0.2, (HOURS.question, "Where?"))):
        grounded = a_grounded(model="extractive", confidence=confidence)
        await llm.ask(replace(grounded, suggestions=(HOURS.question, "Where?")))
        sent = await llm.watch.until_ended(times=1 if confidence == 0.4 else 2)
        assert isinstance(sent, MessageSent)
        assert sent.suggestions == left
