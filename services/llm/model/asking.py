"""One question to the model server until it begins to answer: what is tried again, and how."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from yarl import URL

from libs.egress.retry_after import model_retry_after
from libs.runtime.clock import now
from services.llm.failures import Failed
from services.llm.model.adaptation import MOST_STEPS, Adaptations, Wanted, adapted
from services.llm.model.connection import (
    BROKEN,
    ModelConnections,
    Received,
    Unusual,
    failure_of,
    stale,
)
from services.llm.model.upstream_errors import REDIRECTS, ServerError, error_of_body, may_pass
from services.llm.model.upstream_errors import failure_of as failure_of_error
from services.llm.prompt.prompt import PromptTurn

MOST_REDIRECTS = 3
MOST_WAIT = 30.0
"""Seconds that a question waits before it is asked again, with somebody waiting for it."""
FIRST_DELAY = 0.5
"""Seconds before the first of the tries that the server names no time for; doubled each time."""
PATH = "/chat/completions"


@dataclass(frozen=True)
class ModelRequest:
    """What is asked. `due`: when an answer has to begin, in the loop's time."""

    model: str
    turns: list[PromptTurn]
    asked: Wanted
    due: float
    retries: int


class Asking:
    """Asks the model server."""

    def __init__(
        self, connections: ModelConnections, adaptations: Adaptations, *, longest_wait: float
    ) -> None:
        self._connections = connections
        self._adaptations = adaptations
        self._longest_wait = longest_wait

    @asynccontextmanager
    async def answer(self, question: ModelRequest) -> AsyncIterator[Received]:
        """Hand out the response with the answer; it is closed with the block. Raises Failed."""
        response = await self._answered(question)
        try:
            yield response
        finally:
            await response.close()

    async def _answered(self, question: ModelRequest) -> Received:
        """Return the first response that is no refusal, trying again where that may help."""
        clock = asyncio.get_running_loop().time
        adaptation = self._adaptations.of(question.model)
        steps = tries = 0
        while True:
            body = adaptation.body(question.model, question.turns, question.asked)
            try:
                response = await self._sent(body)
            except BROKEN as broken:
                failure = failure_of(broken)
                passing = failure.code == "upstream_error"
            except Unusual as unusual:
                error = error_of_body(unusual.status, unusual.body)
                failure = self._failure(error, unusual)
                other = adapted(error, adaptation, question.asked)
                if other is not None and steps < MOST_STEPS:
                    adaptation, steps = other, steps + 1
                    continue
                passing = may_pass(error, failure)
            else:
                self._adaptations.worked(question.model, adaptation)
                return response
            delay = _delay(failure, tries)
            hopeless = delay > MOST_WAIT or clock() + delay >= question.due
            if not passing or hopeless or tries >= question.retries:
                raise failure from None  # its cause may repeat what the server said
            tries += 1
            await asyncio.sleep(delay)

    async def _sent(self, body: dict[str, object]) -> Received:
        """Send it, to where it is redirected on the same host. Raises Failed, Unusual, BROKEN."""
        url = f"{self._connections.base}{PATH}"
        for _ in range(MOST_REDIRECTS + 1):
            try:
                return await self._sent_to(url, body)
            except Unusual as unusual:
                if unusual.status not in REDIRECTS:
                    raise
                url = str(_target(URL(url), unusual))
        raise Failed("model_unavailable", "redirected in a circle")

    async def _sent_to(self, url: str, body: dict[str, object]) -> Received:
        try:
            return await self._connections.post(url, body, fresh=False)
        except BROKEN as error:
            # A kept connection that the server, or something on the way, had dropped: it says
            # nothing about the server, so it counts for no try.
            if not stale(error):
                raise
        return await self._connections.post(url, body, fresh=True)

    def _failure(self, error: ServerError, unusual: Unusual) -> Failed:
        wait = model_retry_after(unusual.headers, now())
        return failure_of_error(error, None if wait is None else min(wait, self._longest_wait))


def _delay(failure: Failed, tries: int) -> float:
    if failure.retry_after is not None:
        return failure.retry_after
    return float(FIRST_DELAY * 2**tries * random.uniform(0.75, 1))  # noqa: S311  # no secret


def _target(url: URL, unusual: Unusual) -> URL:
    """Return where the whole question goes next. Raises Failed: never as a GET, nor elsewhere."""
    try:
        target = url.join(URL(unusual.headers.get("location", "")))
    except ValueError:
        target = URL()
    named = target.with_query(None).with_fragment(None).with_user(None) if target.host else target
    upgraded = target.scheme == url.scheme or (url.scheme, target.scheme) == ("http", "https")
    if unusual.status == 303 or target.host != url.host or not upgraded:
        raise Failed("model_unavailable", f"status {unusual.status}, redirected to {named}")
    return target
