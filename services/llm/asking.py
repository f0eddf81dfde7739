"""One question to the model server until it begins to answer: what is tried again, and how."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
from yarl import URL

from libs.runtime.clock import now
from services.llm.adaptation import MOST_STEPS, Adaptations, Asked, adapted
from services.llm.connection import BROKEN, Connections, failure_of, stale
from services.llm.failures import Failed
from services.llm.prompt import Turn
from services.llm.retry_after import retry_after_of
from services.llm.upstream_errors import REDIRECTS, ServerError, error_of_body, may_pass
from services.llm.upstream_errors import failure_of as failure_of_error

MOST_ERROR = 64 * 1024
"""Bytes of an error that are read."""
ERROR_PATIENCE = 5.0
"""Seconds for the body of an error, whose status is known."""
MOST_REDIRECTS = 3
MOST_WAIT = 30.0
"""Seconds that a question waits before it is asked again, with somebody waiting for it."""
FIRST_DELAY = 0.5
"""Seconds before the first of the tries that the server names no time for; doubled each time."""
PATH = "/chat/completions"


@dataclass(frozen=True)
class Question:
    """What is asked. `due`: when an answer has to begin, in the loop's time."""

    model: str
    turns: list[Turn]
    asked: Asked
    due: float
    retries: int


class Asking:
    """Asks the model server."""

    def __init__(
        self, connections: Connections, adaptations: Adaptations, *, longest_wait: float
    ) -> None:
        self._connections = connections
        self._adaptations = adaptations
        self._longest_wait = longest_wait

    @asynccontextmanager
    async def answer(self, question: Question) -> AsyncIterator[aiohttp.ClientResponse]:
        """Hand out the response with the answer; it is closed with the block. Raises Failed."""
        response = await self._answered(question)
        try:
            yield response
        finally:
            response.close() if not response.content.at_eof() else response.release()

    async def _answered(self, question: Question) -> aiohttp.ClientResponse:
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
            else:
                if response.status < 300:
                    self._adaptations.worked(question.model, adaptation)
                    return response
                error = await _error_of(response)
                failure = self._failure(error, response)
                other = adapted(error, adaptation, question.asked)
                if other is not None and steps < MOST_STEPS:
                    adaptation, steps = other, steps + 1
                    continue
                passing = may_pass(error, failure)
            delay = _delay(failure, tries)
            hopeless = delay > MOST_WAIT or clock() + delay >= question.due
            if not passing or hopeless or tries >= question.retries:
                raise failure from None  # its cause may repeat what the server said
            tries += 1
            await asyncio.sleep(delay)

    async def _sent(self, body: dict[str, object]) -> aiohttp.ClientResponse:
        """Send it, to where the server redirects it on the same host. Raises Failed and BROKEN."""
        url = f"{self._connections.base}{PATH}"
        for _ in range(MOST_REDIRECTS + 1):
            response = await self._sent_to(url, body)
            if response.status not in REDIRECTS:
                return response
            target = _target(URL(url), response)
            response.close()
            url = str(target)
        raise Failed("model_unavailable", "redirected in a circle")

    async def _sent_to(self, url: str, body: dict[str, object]) -> aiohttp.ClientResponse:
        try:
            return await self._connections.post(url, body, fresh=False)
        except BROKEN as error:
            # A kept connection that the server, or something on the way, had dropped: it says
            # nothing about the server, so it counts for no try.
            if not stale(error):
                raise
        return await self._connections.post(url, body, fresh=True)

    def _failure(self, error: ServerError, response: aiohttp.ClientResponse) -> Failed:
        wait = retry_after_of(response.headers, now())
        return failure_of_error(error, None if wait is None else min(wait, self._longest_wait))


def _delay(failure: Failed, tries: int) -> float:
    if failure.retry_after is not None:
        return failure.retry_after
    return float(FIRST_DELAY * 2**tries * random.uniform(0.75, 1))  # noqa: S311  # no secret


async def _error_of(response: aiohttp.ClientResponse) -> ServerError:
    body = b""
    try:
        async with asyncio.timeout(ERROR_PATIENCE):
            while len(body) < MOST_ERROR and (part := await response.content.readany()):
                body += part
    except (TimeoutError, *BROKEN):
        pass  # the status says enough
    finally:
        response.release() if response.content.at_eof() else response.close()
    return error_of_body(response.status, body[:MOST_ERROR])


def _target(url: URL, response: aiohttp.ClientResponse) -> URL:
    """Return where the whole question goes next. Raises Failed: never as a GET, nor elsewhere."""
    try:
        target = url.join(URL(response.headers.get("location", "")))
    except ValueError:
        target = URL()
    named = target.with_query(None).with_fragment(None).with_user(None) if target.host else target
    upgraded = target.scheme == url.scheme or (url.scheme, target.scheme) == ("http", "https")
    if response.status == 303 or target.host != url.host or not upgraded:
        raise Failed("model_unavailable", f"status {response.status}, redirected to {named}")
    return target
