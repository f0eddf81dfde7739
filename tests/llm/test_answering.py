"""An answer on its way: frames in order, the outcome on the log, the upstream released."""

from datetime import timedelta

from libs.bus.queues import Delivered
from libs.contracts.chat import SourcesFrame
from libs.contracts.events import MessageFailed, MessageSent, outcome_id
from libs.runtime.clock import now
from tests.fakes.openai_server import Script
from tests.llm.conftest import Llm
from tests.llm.grounded import DELIVERY, HOURS, a_grounded
from tests.llm.watching import well_formed

TOKENS = [f"tok{n} " for n in range(64)]


async def test_answer_has_every_token_in_order(llm: Llm) -> None:
    """64 tokens arrive once each, in order, after the sources, and the log has the same."""
    await llm.start()
    grounded = a_grounded()
    await llm.ask(grounded)
    sent = await llm.watch.until_ended()
    assert "".join(llm.watch.texts()) == "".join(TOKENS)
    assert well_formed(llm.watch.frames)
    assert isinstance(sent, MessageSent)
    assert (sent.model, sent.credits, sent.finish_reason) == ("gpt-5.2", 5, "stop")
    assert sent.event_id == outcome_id(grounded.request.message_id)
    assert sent.message == "".join(TOKENS)
    assert (sent.question, sent.edge) == ("When are you open?", "edge1")
    assert sent.completion_tokens == 64
    assert sent.prompt_tokens > 0
    assert llm.watch.logged == [sent]


async def test_sources_come_first_with_their_confidence(llm: Llm) -> None:
    """The first frame names each source once, the most relevant first, quoting its passage."""
    await llm.start()
    twice = (DELIVERY, HOURS, DELIVERY)
    await llm.ask(a_grounded(passages=twice))
    sent = await llm.watch.until_ended()
    sources = llm.watch.frames[0]
    assert isinstance(sources, SourcesFrame)
    assert [source.id for source in sources.sources] == ["src_hours", "src_delivery"]
    assert sources.sources[0].text == HOURS.text
    assert sources.confidence == 0.95
    assert isinstance(sent, MessageSent)
    assert (sent.sources, sent.confidence) == (sources.sources, sources.confidence)


async def test_text_arrives_before_the_upstream_has_finished(llm: Llm) -> None:
    """The first text is here while the model still has tokens to send."""
    llm.upstream.default = Script(stall_after=1)
    await llm.start()
    await llm.ask(a_grounded())
    assert await llm.watch.until_text() == "tok0 "
    assert not llm.upstream.chats[0].finished
    llm.upstream.resume()
    await llm.watch.until_ended()
    assert "".join(llm.watch.texts()) == "".join(TOKENS)


async def test_tokens_that_arrive_together_travel_together(llm: Llm) -> None:
    """A fast upstream does not cost a frame a token."""
    llm.upstream.default = Script(tokens=5000, burst=10)
    await llm.start()
    await llm.ask(a_grounded())
    await llm.watch.until_ended()
    assert "".join(llm.watch.texts()) == "".join(f"tok{n} " for n in range(5000))
    assert len(llm.watch.texts()) <= 500


async def test_connection_to_the_upstream_is_used_again(llm: Llm) -> None:
    """Answers one after another share a connection, though their responses end a little late."""
    llm.upstream.default = Script(end_ms=5)
    await llm.start()
    for times in (1, 2, 3):
        await llm.ask(a_grounded())
        await llm.watch.until_ended(times)
    assert len({seen.client for seen in llm.upstream.chats}) == 1


async def test_response_that_stays_open_delays_nothing(llm: Llm) -> None:
    """After the end mark the answer is complete, whether or not the server closes."""
    llm.upstream.default = Script(end_ms=60_000)
    await llm.start(llm_token_timeout=2)
    await llm.ask(a_grounded())
    assert isinstance(await llm.watch.until_ended(), MessageSent)
    await llm.upstream.until(lambda fake: fake.open_chats == 0)


async def test_answer_cut_by_the_models_limit_is_an_answer(llm: Llm) -> None:
    """Finish reason `length` is passed on; it is no failure."""
    await llm.start()
    await llm.ask(a_grounded(model="fake-length"))
    sent = await llm.watch.until_ended()
    assert isinstance(sent, MessageSent)
    assert sent.finish_reason == "length"


async def test_endless_answer_is_ended(llm: Llm) -> None:
    """At the most characters an answer ends with `length`, and so does the upstream's work."""
    llm.upstream.default = Script(tokens=20_000, burst=10, interval_ms=1)
    await llm.start(llm_max_characters=100)
    await llm.ask(a_grounded())
    sent = await llm.watch.until_ended()
    assert isinstance(sent, MessageSent)
    assert sent.finish_reason == "length"
    assert "".join(llm.watch.texts()) == sent.message
    assert len(sent.message) == 100
    await llm.upstream.until(lambda fake: fake.disconnects == 1)


async def test_request_to_the_model_carries_prompt_limit_and_key(llm: Llm) -> None:
    """The model server is asked for a limited stream with usage, by the configured key."""
    await llm.start(llm_max_tokens=77)
    await llm.ask(a_grounded(question="Kailan kayo bukas?"))
    await llm.watch.until_ended()
    body = llm.upstream.chats[0].body
    assert body["messages"][-1] == {"role": "user", "content": "Kailan kayo bukas?"}
    assert HOURS.text in body["messages"][0]["content"]
    assert body["model"] == "gpt-5.2"
    assert body["max_completion_tokens"] == 77
    assert body["stream_options"] == {"include_usage": True}


async def test_older_server_gets_the_limit_by_its_older_name(llm: Llm) -> None:
    """The field for the answer's limit is a setting."""
    await llm.start(llm_max_tokens_parameter="max_tokens", llm_max_tokens=5)
    await llm.ask(a_grounded())
    await llm.watch.until_ended()
    body = llm.upstream.chats[0].body
    assert body["max_tokens"] == 5
    assert "max_completion_tokens" not in body


async def test_answered_message_is_not_answered_again(llm: Llm) -> None:
    """A second delivery finds the outcome on the log: nothing is generated, nothing is sent."""
    answering = llm.answering()
    grounded = a_grounded(model="extractive")
    await answering.handle(Delivered(grounded, attempt=1))
    await answering.handle(Delivered(grounded, attempt=2))
    await llm.watch.until_ended()
    assert {frame.attempt for frame in llm.watch.frames} == {1}
    assert len(llm.watch.published) == 1


async def test_old_message_may_have_ended_before_its_first_delivery(llm: Llm) -> None:
    """What waited so long that it was given up elsewhere is not answered any more."""
    answering = llm.answering()
    grounded = a_grounded(model="extractive", requested_at=now() - timedelta(minutes=1))
    await answering.give_up(Delivered(grounded, attempt=7))
    await answering.handle(Delivered(grounded, attempt=1))
    assert isinstance(await llm.watch.until_ended(), MessageFailed)
    assert not llm.watch.frames


async def test_two_workers_on_one_message_leave_one_outcome(llm: Llm) -> None:
    """Both were at work at once; the log takes the answer that was complete first."""
    llm.upstream.scripts["first"] = Script(text="The first answer.")
    llm.upstream.scripts["second"] = Script(text="Another answer.", stall_after=1)
    await llm.start()
    grounded = a_grounded(model="second")
    await llm.ask(grounded)
    await llm.watch.until_text()
    message_id = grounded.request.message_id
    await llm.ask(a_grounded(model="first", message_id=message_id))
    await llm.watch.until_ended()
    llm.upstream.resume()
    await llm.watch.until_ended(times=2)
    [outcome] = llm.watch.logged
    assert isinstance(outcome, MessageSent)
    assert outcome.message == "The first answer."


async def test_message_given_up_ends_visibly(llm: Llm) -> None:
    """What no delivery could handle fails on the log."""
    await llm.answering().give_up(Delivered(a_grounded(), attempt=7))
    failed = await llm.watch.until_ended()
    assert isinstance(failed, MessageFailed)
    assert (failed.code, failed.edge) == ("internal_error", "edge1")


async def test_answered_message_given_up_stays_answered(llm: Llm) -> None:
    """Giving up does not undo an outcome."""
    answering = llm.answering()
    grounded = a_grounded(model="extractive")
    await answering.handle(Delivered(grounded, attempt=1))
    await answering.give_up(Delivered(grounded, attempt=7))
    await llm.watch.until_ended(times=2)
    [outcome] = llm.watch.logged
    assert isinstance(outcome, MessageSent)


async def test_many_answers_are_generated_at_once(llm: Llm) -> None:
    """No connection pool on the way holds answers back that the concurrency allows."""
    many = 120
    llm.upstream.default = Script(tokens=3, stall_after=1)
    await llm.start()
    for _ in range(many):
        await llm.ask(a_grounded())
    await llm.upstream.until(lambda fake: sum(seen.sent for seen in fake.chats) == many)
    llm.upstream.resume()
    await llm.watch.until_ended(times=many)
    assert all(isinstance(outcome, MessageSent) for outcome in llm.watch.logged)


async def test_text_that_comes_too_fast_for_the_pace_is_joined(llm: Llm) -> None:
    """Beyond the rate of the process tokens go out together, and all of them do."""
    llm.upstream.default = Script(interval_ms=5)
    await llm.start(llm_pieces_per_second=10)
    await llm.ask(a_grounded())
    await llm.watch.until_ended()
    texts = llm.watch.texts()
    assert "".join(texts) == "".join(TOKENS)
    assert len(texts) < len(TOKENS) / 2
    assert well_formed(llm.watch.frames)
