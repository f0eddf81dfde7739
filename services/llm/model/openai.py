"""The adapter for OpenAI-compatible servers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress

from libs.contracts.chat import ChatGrounded
from services.llm.agent import settings_of
from services.llm.choices import Choice
from services.llm.failures import Failed
from services.llm.interface import Piece
from services.llm.model.adaptation import Adaptations, Wanted
from services.llm.model.asking import Asking, ModelRequest
from services.llm.model.connection import (
    BROKEN,
    ModelConnections,
    Received,
    Unusual,
    failure_of,
    open_connections,
)
from services.llm.model.said.speech import Speech
from services.llm.model.stream_reader import StreamReader
from services.llm.prompt.prompt import build_prompt
from services.llm.settings import LlmSettings

END_OF_BODY = 0.05
"""Seconds to wait for the end of a response whose stream is complete."""
AFTER_FINISH = 1.0
"""Seconds without text after a finish_reason at which an answer has ended: usage may follow it."""


class OpenAIModel:
    """Answers with the model that is chosen."""

    def __init__(self, connections: ModelConnections, settings: LlmSettings) -> None:
        self._connections = connections
        self._settings = settings
        self._asking = Asking(
            connections,
            Adaptations(settings.llm_max_tokens_parameter),
            longest_wait=settings.llm_longest_retry_after,
        )
        self._key_refused = False

    async def answer(
        self, grounded: ChatGrounded, choice: Choice, due: float
    ) -> AsyncGenerator[Piece, None]:
        """See Answerer. Refused for now, it is tried again only when nobody else is in line."""
        agent = settings_of(grounded.request.agent, self._settings)
        question = ModelRequest(
            model=choice.model,
            turns=build_prompt(grounded, self._settings.llm_prompt_tokens, agent),
            asked=Wanted(agent.max_tokens, agent.temperature),
            due=due,
            # A model with another behind it is not worth waiting for.
            retries=0 if choice.behind else self._settings.llm_retries,
        )
        try:
            async with self._asking.answer(question) as response:
                self._key_refused = False
                async for piece in said(response, hide_thoughts=self._settings.llm_hide_thoughts):
                    yield piece
        except Failed as failure:
            self._key_refused = failure.detail.startswith("status 401")
            raise

    async def ping(self) -> None:
        """Raise unless the server answers, and took the key when it was last asked.

        A key that may not list models, and a server that has no list, answer all the same.
        """
        try:
            response = await self._connections.get("/models")
        except Unusual as unusual:
            status = unusual.status
        except BROKEN as error:
            detail = failure_of(error).detail
            raise RuntimeError(
                f"the model server can't be reached at LLM_BASE_URL: {detail}"
            ) from None
        else:
            status = 200
            await response.close()
        if self._key_refused:
            raise RuntimeError("the model server refuses LLM_API_KEY")
        if status >= 500:
            raise RuntimeError(f"the model server answers {status}")


@asynccontextmanager
async def open_model(settings: LlmSettings) -> AsyncIterator[OpenAIModel | None]:
    """Hand out the configured model server, None when none is configured."""
    if not (settings.llm_base_url or settings.llm_api_key.get_secret_value()):
        yield None
        return
    async with open_connections(settings) as connections:
        yield OpenAIModel(connections, settings)


async def said(response: Received, *, hide_thoughts: bool) -> AsyncGenerator[Piece, None]:
    """Yield what a response says, and its ending. Raises Failed, after all text that it has."""
    reader, speech = StreamReader(), Speech(hide_thoughts=hide_thoughts)
    # One block is all that has arrived by now, so tokens that come together stay together.
    async for data in _blocks(response, reader):
        text = reader.feed(data) if data is not None else reader.close()
        pieces = speech.push(text) if text else ()
        for piece in pieces:
            yield piece
        if not pieces:
            yield ""  # a comment, a thought: it lives
        if reader.complete or reader.failure:
            break
    if reader.failure is None:
        await _read_to_the_end(response)
    ended = reader.failure is None and (reader.finished or reader.complete)
    stopped = ended and reader.ending().finish_reason == "stop"
    for piece in (*speech.push(reader.rest()), *speech.finish(stopped=stopped)):
        yield piece
    ending = reader.ending()
    if speech.called and not speech.spoke:
        raise Failed("upstream_error", "a call of a tool, written as text")
    yield ending


async def _blocks(response: Received, reader: StreamReader) -> AsyncIterator[bytes | None]:
    """Yield what comes in, None at its end. Raises Failed when it breaks before it is complete."""
    clock = asyncio.get_running_loop().time
    try:
        while not reader.finished:
            data = await response.read()
            yield data or None
            if not data:
                return
        until, spoken = clock() + AFTER_FINISH, reader.spoken
        while (left := until - clock()) > 0:
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    data = await response.read()
                yield data or None
            if not data:
                return
            if reader.spoken != spoken:  # some say in every chunk why they ended
                until, spoken = clock() + AFTER_FINISH, reader.spoken
    except BROKEN as error:
        broken = failure_of(error)
        yield None  # the last line may have no end
        reader.broke(broken)


async def _read_to_the_end(response: Received) -> None:
    """Read what may follow the end mark; without that the connection can't be used again."""
    with suppress(TimeoutError, *BROKEN):  # the answer is complete, whatever happens now
        async with asyncio.timeout(END_OF_BODY):
            while await response.read():
                pass
