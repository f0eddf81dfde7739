"""The adapter for OpenAI-compatible servers."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import aiohttp
import httpx2
from openai import (
    APIConnectionError,
    APIStatusError,
    AsyncAPIResponse,
    AsyncOpenAI,
    DefaultAioHttpClient,
    OpenAIError,
)

from libs.contracts.chat import ChatGrounded
from services.llm.agent_settings import settings_of
from services.llm.answerer import Piece
from services.llm.failures import Failed
from services.llm.fallback import Choice
from services.llm.prompt import build_prompt
from services.llm.settings import LlmSettings
from services.llm.stream_reader import StreamReader

OPENAI_URL = "https://api.openai.com/v1"
END_OF_BODY = 0.05
"""Seconds to wait for the end of a response whose stream is complete."""
BROKEN = (httpx2.HTTPError, httpx2.StreamError, aiohttp.ClientError)
"""What a connection that breaks raises: aiohttp carries the client, which translates most of it."""


class OpenAIModel:
    """Answers with the model that is chosen."""

    def __init__(self, client: AsyncOpenAI, settings: LlmSettings) -> None:
        self._client = client
        # A model with another behind it is not worth waiting for.
        self._once = client.with_options(max_retries=0)
        self._settings = settings

    async def answer(self, grounded: ChatGrounded, choice: Choice) -> AsyncGenerator[Piece, None]:
        """See Answerer. Refused for now, it is tried again only when nobody else is in line."""
        reader = StreamReader()
        async with self._ask(grounded, choice) as response:
            # One block is all that has arrived by now, so tokens that come together stay together.
            blocks = response.iter_bytes()
            while not reader.complete and (data := await anext(blocks, None)):
                if text := reader.feed(data):
                    yield text
            await _finish(blocks)
        yield reader.ending()

    async def ping(self) -> None:
        """Raise unless the server answers and takes the key."""
        try:
            await self._once.models.list()
        except APIStatusError as error:
            # A server without this path (404, 405) is there all the same.
            if error.status_code in (401, 403):
                raise RuntimeError("the model server refuses LLM_API_KEY") from None
            if error.status_code >= 500:
                raise RuntimeError(f"the model server answers {error.status_code}") from None
        except APIConnectionError:
            raise RuntimeError("the model server can't be reached at LLM_BASE_URL") from None

    @asynccontextmanager
    async def _ask(
        self, grounded: ChatGrounded, choice: Choice
    ) -> AsyncIterator[AsyncAPIResponse[Any]]:
        """Open the stream; it is closed with the block, whatever ends it."""
        settings = self._settings
        agent = settings_of(grounded.request.agent, settings)
        optional = {} if agent.temperature is None else {"temperature": agent.temperature}
        client = self._once if choice.behind else self._client
        asked = client.chat.completions.with_streaming_response.create(
            model=choice.model,
            messages=(),
            stream=True,
            # Given here, they go out as they are. As arguments, the client would walk through them
            # looking for what to rename, for longer than all the rest of a request takes.
            extra_body={
                "messages": build_prompt(grounded, settings.llm_prompt_tokens, agent),
                "stream_options": {"include_usage": True},
                settings.llm_max_tokens_parameter: agent.max_tokens,
                **optional,
            },
        )
        try:
            async with asked as response:
                yield response
        except (OpenAIError, *BROKEN) as error:
            raise _failed(error) from None  # its text may repeat what the server said


@asynccontextmanager
async def open_model(settings: LlmSettings) -> AsyncIterator[OpenAIModel | None]:
    """Hand out the configured model server, None when none is configured."""
    key = settings.llm_api_key.get_secret_value()
    if not (settings.llm_base_url or key):
        yield None
        return

    async def no_hopeless_wait(response: httpx2.Response) -> None:
        # The client would sleep for as long as the server asks, with someone waiting.
        if not _waitable(response.headers.get("retry-after"), settings.llm_first_token_timeout):
            response.headers["x-should-retry"] = "false"

    http = DefaultAioHttpClient(
        # How long reading may take is patience.py's business.
        timeout=httpx2.Timeout(None, connect=settings.llm_connect_timeout),
        limits=httpx2.Limits(max_connections=settings.llm_concurrency),
        event_hooks={"response": [no_hopeless_wait]},
    )
    async with AsyncOpenAI(
        base_url=settings.llm_base_url or OPENAI_URL,
        api_key=key or "none",  # local servers ask for no key, the client does
        max_retries=settings.llm_retries,
        timeout=httpx2.Timeout(None, connect=settings.llm_connect_timeout),
        http_client=http,
    ) as client:
        yield OpenAIModel(client, settings)


async def _finish(blocks: AsyncIterator[bytes]) -> None:
    """Read what may follow the end mark; without that the connection can't be used again."""
    with suppress(TimeoutError, *BROKEN):  # the answer is complete, whatever happens now
        async with asyncio.timeout(END_OF_BODY):
            async for _ in blocks:
                pass


def _waitable(retry_after: str | None, patience: float) -> bool:
    try:
        return float(retry_after or 0) < patience
    except ValueError:  # a date; the client knows how to read it
        return True


def _failed(error: Exception) -> Failed:
    match error:
        case APIStatusError(status_code=429 | 503 as status):
            return Failed("upstream_overloaded", f"status {status}")
        case APIStatusError(status_code=401 | 403 | 404 as status):
            return Failed("model_unavailable", f"status {status}")
        case APIStatusError(status_code=status):
            return Failed("upstream_error", f"status {status}")
        case _:
            return Failed("upstream_error", type(error).__name__)
