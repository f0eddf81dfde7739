"""Embeddings from any server that speaks OpenAI's embeddings API."""

import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from openai import AsyncOpenAI, OpenAIError, omit
from stamina import retry_context

from libs.runtime.settings import SettingsError
from services.rag.vector import Vector

START_PATIENCE = 30.0
"""Seconds to wait for the server when rag starts and must ask it for its vector size."""
PING_EVERY = 30.0
"""Seconds for which the last success counts as health: a call may cost money."""


class EmbeddingError(Exception):
    """The server answered with something that can't be used."""


class OpenAIEmbeddings:
    """One model on one server. `wanted` is the vector size to ask for, None for the model's own."""

    def __init__(
        self, client: AsyncOpenAI, model: str, wanted: int | None, query_prefix: str
    ) -> None:
        self._client = client
        self._model = model
        self._wanted = wanted
        self._query_prefix = query_prefix
        self._worked_at = -math.inf
        self.dimensions = wanted or 0

    async def embed_question(self, text: str) -> Vector:
        """Embed what is searched for. Raises OpenAIError or EmbeddingError."""
        (vector,) = await self._embed([self._query_prefix + text])
        return vector

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Embed what is to be found. Raises OpenAIError or EmbeddingError."""
        return await self._embed(list(texts))

    async def ping(self) -> None:
        """Raise unless the server embeds, or did so just now."""
        if time.monotonic() - self._worked_at > PING_EVERY:
            await self._embed(["ping"])

    async def measure(self) -> None:
        """Learn the model's vector size by embedding a word."""
        (vector,) = await self._embed(["size"])
        self.dimensions = len(vector)

    async def _embed(self, texts: list[str]) -> list[Vector]:
        answer = await self._client.embeddings.create(
            model=self._model, input=texts, dimensions=self._wanted or omit
        )
        vectors = [item.embedding for item in sorted(answer.data, key=lambda item: item.index)]
        self._check(vectors, len(texts))
        self._worked_at = time.monotonic()
        return [_normalised(vector) for vector in vectors]

    def _check(self, vectors: list[Vector], count: int) -> None:
        if len(vectors) != count:
            raise EmbeddingError(f"{len(vectors)} vectors came back for {count} texts")
        sizes = {len(vector) for vector in vectors}
        if self.dimensions and sizes != {self.dimensions}:
            raise EmbeddingError(f"vectors of {sizes} numbers came back, not {self.dimensions}")


def _normalised(vector: Vector) -> Vector:
    """Scale to length 1, which not every server does, so that scores are cosines."""
    length = math.hypot(*vector)
    if not length:
        raise EmbeddingError("an empty vector came back")
    return [number / length for number in vector]


@asynccontextmanager
async def open_openai_embeddings(
    base_url: str,
    *,
    api_key: str,
    model: str,
    dimensions: int | None,
    query_prefix: str,
    timeout: float,
    patience: float = START_PATIENCE,
) -> AsyncIterator[OpenAIEmbeddings]:
    """Open the client; without `dimensions`, ask the server. Raises SettingsError if it is away."""
    # The client insists on a key; servers of one's own often need none.
    async with AsyncOpenAI(
        base_url=base_url, api_key=api_key or "none", timeout=timeout, max_retries=1
    ) as client:
        embeddings = OpenAIEmbeddings(client, model, dimensions, query_prefix)
        if not dimensions:
            await _wait_for(embeddings, base_url, patience)
        yield embeddings


async def _wait_for(embeddings: OpenAIEmbeddings, base_url: str, patience: float) -> None:
    try:
        async for attempt in retry_context(
            on=OpenAIError, attempts=None, timeout=patience, wait_initial=0.2, wait_max=2.0
        ):
            with attempt:
                await embeddings.measure()
    except (OpenAIError, EmbeddingError) as error:
        raise SettingsError(
            f"The embedding server at EMBEDDINGS_BASE_URL={base_url} does not embed: {error}"
        ) from error
