"""An answer that is cancelled: the model server is let go, what there was is kept."""

import asyncio

import pytest

from libs.bus.bus import Bus
from libs.contracts.chat import CANCELLED, ChatCancelled, ChatGrounded
from libs.contracts.events import MessageSent, Outcome
from libs.contracts.queues import CHAT_CANCELLED
from services.llm.cancel import Cancellations, Cancelled
from tests.fakes.openai_server import Script
from tests.llm.conftest import Llm
from tests.llm.grounded import a_grounded

RELEASED_WITHIN = 1.0
"""Seconds in which the promise says that the model server is let go."""


async def cancel(bus: Bus, grounded: ChatGrounded) -> None:
    """Broadcast the cancellation, as api does."""
    message = ChatCancelled(message_id=grounded.request.message_id)
    await bus.tell(CHAT_CANCELLED, message)
    await bus.client.flush()


def costs(outcome: Outcome) -> tuple[str, int]:
    """The text that was kept and its price."""
    assert isinstance(outcome, MessageSent)
    assert outcome.finish_reason == CANCELLED
    return outcome.message, outcome.credits


async def test_the_text_until_then_is_kept_and_paid_for(llm: Llm) -> None:
    """The model server sees its connection go; the outcome is what the client was sent."""
    llm.upstream.default = Script(stall_after=3)
    await llm.start()
    grounded = a_grounded()
    await llm.ask(grounded)
    await llm.watch.until_text()
    await llm.upstream.until(lambda fake: fake.chats[0].sent == 3)
    await cancel(llm.bus, grounded)
    await llm.upstream.until(lambda fake: fake.disconnects == 1, timeout=RELEASED_WITHIN)
    text, credits = costs(await llm.watch.until_ended())
    assert text == "".join(llm.watch.texts())
    assert text.startswith("tok0 ")
    assert credits == grounded.request.credits


async def test_nothing_is_paid_when_no_text_had_come(llm: Llm) -> None:
    """The model had not begun to speak."""
    llm.upstream.default = Script(stall_after=0)
    await llm.start()
    grounded = a_grounded()
    await llm.ask(grounded)
    await llm.upstream.until(lambda fake: len(fake.chats) == 1)
    await cancel(llm.bus, grounded)
    await llm.upstream.until(lambda fake: fake.disconnects == 1, timeout=RELEASED_WITHIN)
    assert costs(await llm.watch.until_ended()) == ("", 0)


async def test_a_question_that_is_cancelled_on_its_way_is_never_asked(llm: Llm) -> None:
    """The cancellation overtook the question."""
    await llm.start()
    cancelled, wanted = a_grounded(), a_grounded()
    await cancel(llm.bus, cancelled)
    await llm.ask(cancelled)
    assert costs(await llm.watch.until_ended()) == ("", 0)
    await llm.ask(wanted)
    sent = await llm.watch.until_ended(times=2)
    assert sent.message_id == wanted.request.message_id
    assert len(llm.upstream.chats) == 1


async def test_other_answers_go_on(llm: Llm) -> None:
    """Cancelling one of two leaves the other complete."""
    llm.upstream.default = Script(stall_after=3)
    await llm.start()
    stopped, kept = a_grounded(), a_grounded()
    await llm.ask(stopped)
    await llm.ask(kept)
    await llm.upstream.until(lambda fake: len(fake.chats) == 2)
    await cancel(llm.bus, stopped)
    await llm.watch.until_ended()
    llm.upstream.resume()
    sent = await llm.watch.until_ended(times=2)
    assert isinstance(sent, MessageSent)
    assert (sent.message_id, sent.finish_reason) == (kept.request.message_id, "stop")


async def test_a_timeout_within_is_no_cancellation() -> None:
    """Only the cancellation itself is one."""
    with pytest.raises(TimeoutError):
        async with Cancellations().stoppable("msg_1"), asyncio.timeout(0):
            await asyncio.Event().wait()


async def test_a_message_at_work_twice_is_stopped_twice() -> None:
    """It was delivered again while the first delivery was still at work."""
    cancellations = Cancellations()
    begun = 0

    async def work() -> None:
        nonlocal begun
        async with cancellations.stoppable("msg_1"):
            begun += 1
            if begun == 2:
                cancellations.cancel("msg_1")
            await asyncio.Event().wait()

    ended = await asyncio.gather(work(), work(), return_exceptions=True)
    assert [type(error) for error in ended] == [Cancelled, Cancelled]
