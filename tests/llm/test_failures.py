"""However the model server misbehaves, an answer ends: one failure on the log."""

import pytest

from libs.contracts.events import MessageFailed, MessageSent
from services.llm.failures import MESSAGES, FailureCode
from tests.fakes.openai_server import Script
from tests.fakes.openai_wire import SECRET_DETAIL
from tests.llm.conftest import KEY, Llm
from tests.llm.grounded import a_grounded
from tests.llm.watching import well_formed

MISBEHAVIOUR: dict[str, tuple[FailureCode, bool]] = {
    "fake-401": ("model_unavailable", False),
    "fake-404": ("model_unavailable", False),
    "fake-429": ("upstream_overloaded", False),
    "fake-500": ("upstream_error", False),
    "fake-503": ("upstream_overloaded", False),
    "fake-silent": ("upstream_timeout", False),
    "fake-hang": ("upstream_timeout", False),
    "fake-stall": ("upstream_timeout", True),
    "fake-cut": ("upstream_error", True),
    "fake-malformed": ("upstream_error", True),
    "fake-error": ("upstream_error", True),
    "fake-empty": ("upstream_error", False),
    "fake-unfinished": ("upstream_error", True),
    "fake-filter": ("upstream_refused", True),
    "fake-refusal": ("upstream_refused", False),
}
"""Model name of the fake → the code of the failure, and whether text may have been sent before."""


@pytest.mark.parametrize("model", MISBEHAVIOUR)
async def test_misbehaviour_ends_in_one_failure(
    llm: Llm, model: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The failure has its code, nothing leaks, and the upstream is let go."""
    code, may_have_text = MISBEHAVIOUR[model]
    await llm.start(llm_first_token_timeout=0.6, llm_token_timeout=0.4)
    await llm.ask(a_grounded(model=model, question="my private question"))
    end = await llm.watch.until_ended()
    assert isinstance(end, MessageFailed)
    assert (end.code, end.message) == (code, MESSAGES[code])
    assert llm.watch.logged == [end]
    assert may_have_text or not llm.watch.texts()
    assert well_formed(llm.watch.frames)
    await llm.upstream.until(lambda fake: fake.open_chats == 0)
    logged = "".join(capfd.readouterr())
    assert "llm.failed" in logged
    assert not [secret for secret in (SECRET_DETAIL, KEY, "private", "tok0") if secret in logged]


@pytest.mark.parametrize(
    ("script", "timeouts"),
    [
        (Script(hang=True), {"llm_first_token_timeout": 0.3}),
        (Script(stall_after=3), {"llm_token_timeout": 0.3}),
        (Script(first_token_ms=60_000), {"llm_total_timeout": 0.5}),
    ],
    ids=["first token", "next token", "whole answer"],
)
async def test_each_timeout_ends_the_answer(
    llm: Llm, script: Script, timeouts: dict[str, float]
) -> None:
    """Each of the three timeouts alone, the others far away, stops the answer and the upstream."""
    llm.upstream.default = script
    await llm.start(**timeouts)
    await llm.ask(a_grounded())
    end = await llm.watch.until_ended()
    assert isinstance(end, MessageFailed)
    assert end.code == "upstream_timeout"
    await llm.upstream.until(lambda fake: fake.disconnects == 1)


async def test_answer_that_never_ends_is_cut(llm: Llm) -> None:
    """With text, the whole time is a limit like any other: what there is, is the answer."""
    llm.upstream.default = Script(tokens=1000, interval_ms=20)
    await llm.start(llm_total_timeout=0.5)
    await llm.ask(a_grounded())
    end = await llm.watch.until_ended()
    assert isinstance(end, MessageSent)
    assert (end.finish_reason, end.message) == ("length", "".join(llm.watch.texts()))
    await llm.upstream.until(lambda fake: fake.disconnects == 1)


async def test_pauses_within_the_timeouts_do_no_harm(llm: Llm) -> None:
    """An answer may take longer than the timeout for one token."""
    llm.upstream.default = Script(tokens=20, interval_ms=40)
    await llm.start(llm_first_token_timeout=0.5, llm_token_timeout=0.5)
    await llm.ask(a_grounded())
    await llm.watch.until_ended()
    assert "".join(llm.watch.texts()) == "".join(f"tok{n} " for n in range(20))


@pytest.mark.parametrize("model", ["fake-429-once", "fake-503-once"])
async def test_passing_refusal_is_tried_again(llm: Llm, model: str) -> None:
    """A server that is busy for a moment costs its client nothing but that moment."""
    await llm.start(llm_retries=2)
    await llm.ask(a_grounded(model=model))
    await llm.watch.until_ended()
    assert "".join(llm.watch.texts()) == "".join(f"tok{n} " for n in range(64))
    assert len(llm.upstream.chats) == 2


async def test_hopeless_retry_after_is_not_waited_for(llm: Llm) -> None:
    """A server that asks for more time than a client would wait is given up at once."""
    llm.upstream.default = Script(status=429, retry_after="100")
    await llm.start(llm_retries=2)
    await llm.ask(a_grounded())
    end = await llm.watch.until_ended()
    assert isinstance(end, MessageFailed)
    assert end.code == "upstream_overloaded"
    assert len(llm.upstream.chats) == 1


async def test_unreachable_server_is_a_failure(llm: Llm) -> None:
    """Nobody listening at LLM_BASE_URL ends like any other error."""
    await llm.start(llm_base_url="http://127.0.0.1:9/v1")
    await llm.ask(a_grounded())
    end = await llm.watch.until_ended()
    assert isinstance(end, MessageFailed)
    assert end.code == "upstream_error"


async def test_model_without_a_server_is_a_failure(llm: Llm) -> None:
    """A model is asked for, none is configured: the client is told so."""
    await llm.start(llm_base_url="", llm_api_key="")
    await llm.ask(a_grounded())
    end = await llm.watch.until_ended()
    assert isinstance(end, MessageFailed)
    assert (end.code, end.message) == ("model_unavailable", MESSAGES["model_unavailable"])
