"""Whatever a model server does: stream, JSON and store agree, and it costs what it says."""

import re

import pytest

from tests.support.credits import settled
from tests.upstreams.case import Answered, Case, Fails
from tests.upstreams.conftest import SECTIONS, Asked, World

ROWS = [
    pytest.param(case, id=f"{section}: {case.name}")
    for section, cases in SECTIONS.items()
    for case in cases
]

BUSY = 20.0
"""Seconds that a busy machine may add."""


@pytest.mark.parametrize("case", ROWS)
async def test_odd_model_server(upstreams: World, case: Case) -> None:
    """As expected, for a stream and for JSON, and both the same."""
    result = upstreams.results[case.name]
    problems = {
        id(one): [_problem(one, case, asked) for asked in result.asked] for one in case.expected
    }
    fits = [one for one in case.expected if not any(problems[id(one)])]
    assert fits, (
        f"{list(problems.values())}; {[(a.status, a.text[:200], a.last) for a in result.asked]}"
    )
    for asked in result.asked:
        assert case.most_requests is None or asked.requests <= case.most_requests
        assert case.seconds is None or asked.seconds <= case.seconds + BUSY
        if case.hidden:
            assert case.hidden not in asked.text
            assert case.hidden not in str(asked.stored)
    if case.own_requests_next is not None:
        assert result.asked[1].requests == case.own_requests_next
    assert not case.hidden or case.hidden not in result.prompts


async def test_the_balance_falls_by_what_the_answers_cost(upstreams: World) -> None:
    """One debit an answer, at the price that it named; nothing for an error."""
    answered = {
        asked.last["message_id"]: asked.last["credits_used"]
        for result in upstreams.results.values()
        for asked in result.asked
        if asked.error is None
    }
    assert await settled(upstreams.client) == upstreams.credits - sum(answered.values())
    debits: dict[str, int] = {}
    cursor = None
    while True:
        params = {"limit": 100} | ({"cursor": cursor} if cursor else {})
        page = await upstreams.client.get("/v1/credits/ledger", params=params)
        for entry in page["items"]:
            if entry["type"] == "debit":
                assert entry["message_id"] not in debits
                debits[entry["message_id"]] = -entry["credits"]
        if not (cursor := page["next_cursor"]):
            break
    assert debits == answered


async def test_the_log_names_codes_and_nothing_else(upstreams: World) -> None:
    """An operator sees status, code, type and parameter; never a server's sentence or a thought."""
    log = (upstreams.stack.directory / "all.log").read_text()
    assert "status 400, code context_length_exceeded" in log
    assert "connection reset" in log
    assert "insufficient_quota" in log
    said = ("secret pondering", "It went wrong", "maximum context length", "sk-test", "When do you")
    assert not [words for words in said if words in log]
    assert "Traceback" not in log


def _problem(expected: Answered | Fails, case: Case, asked: Asked) -> str:
    """Return what is not as expected, nothing when all is."""
    if isinstance(expected, Answered):
        return _no_answer(expected, case, asked)
    return _no_failure(expected, asked)


def _no_answer(expected: Answered, case: Case, asked: Asked) -> str:
    if asked.error is not None:
        return f"an error: {asked.error}"
    if expected.starts:
        right = any(asked.text.startswith(text) for text in expected.texts)
    else:
        right = asked.text in expected.texts
    found = (asked.last["finish_reason"], asked.last["model"])
    if not right or found != (expected.finish, expected.model or case.name):
        return f"another answer: {asked.text[:200]!r} {found}"
    stored = asked.stored
    agrees = (stored["content"], stored["finish_reason"], stored["credits_used"], stored["status"])
    said = (asked.text, asked.last["finish_reason"], asked.last["credits_used"], "done")
    return "" if agrees == said else f"stored: {stored}"


def _no_failure(expected: Fails, asked: Asked) -> str:
    error = asked.error
    if error is None:
        return f"an answer: {asked.text[:200]!r}"
    if expected.codes and error["code"] not in expected.codes:
        return f"another code: {error}"
    if error["code"] in ("server_error", "internal_error"):
        return f"our own error: {error}"
    said = f"{error['code']} {error['message']}".lower()
    if expected.names and not re.search("|".join(expected.names), said):
        return f"the cause is not named: {error}"
    if expected.retryable is not None and _retryable(asked) is not expected.retryable:
        return f"retryable: {asked.status} {error}"
    if (error.get("retry_after") or 0) < expected.least_wait:
        return f"waits too short: {error}"
    stored = asked.stored
    if (stored["status"], stored["error"]["code"]) != ("failed", error["code"]):
        return f"stored: {stored}"
    if expected.stored is not None and stored["content"] != expected.stored:
        return f"stored: {stored}"
    if asked.as_stream and asked.text != stored["content"]:
        return f"shown {asked.text[:200]!r}, stored {stored['content'][:200]!r}"
    return ""


def _retryable(asked: Asked) -> bool | None:
    """Tell whether an error is called retryable; None when it contradicts itself."""
    waits = "retry_after" in (asked.error or {})
    if asked.as_stream:
        return waits
    by_status = (asked.status == 503, "retry-after" in asked.headers)
    return waits if by_status == (waits, waits) else None
