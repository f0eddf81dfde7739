"""Turns texts into vectors: the bundled model, or an OpenAI-compatible server when one is set.

Only the one that is used is imported: the server's client alone takes seconds of a start.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import blake2b
from typing import Protocol

from cachetools import LRUCache

from libs.runtime.settings import SettingsError
from services.rag.settings import RagSettings
from services.rag.vector import Vector


class Embedder(Protocol):
    """A model that puts questions near the passages that answer them. Vectors have length 1."""

    @property
    def dimensions(self) -> int:
        """The size of its vectors, 0 as long as it is not known."""

    async def appears(self) -> None:
        """Return once the size of its vectors is known."""

    def knows(self, text: str) -> bool:
        """Whether the model knows the language of a text, as far as can be told."""

    async def embed_question(self, text: str) -> Vector:
        """Embed what is searched for. Raises EmbeddingError."""

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Embed what is to be found. Raises EmbeddingError."""

    async def ping(self) -> None:
        """Raise unless the model works."""


class RememberedQuestions:
    """An embedder that keeps the vectors of the last questions: people ask the same things."""

    def __init__(self, embedder: Embedder, size: int) -> None:
        self._embedder = embedder
        self._vectors: LRUCache[bytes, Vector] = LRUCache(size)

    @property
    def dimensions(self) -> int:
        """The size of its vectors, 0 as long as it is not known."""
        return self._embedder.dimensions

    def knows(self, text: str) -> bool:
        """Whether the model knows the language of a text, as far as can be told."""
        return self._embedder.knows(text)

    async def appears(self) -> None:
        """Return once the size of its vectors is known."""
        await self._embedder.appears()

    async def embed_question(self, text: str) -> Vector:
        """Embed a question, or remember its vector."""
        # By digest: a question is as long as a stranger likes.
        key = blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        vector = self._vectors.get(key)
        if vector is None:
            vector = self._vectors[key] = await self._embedder.embed_question(text)
        return vector

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Embed what is to be found; each is new, so nothing is remembered."""
        return await self._embedder.embed_passages(texts)

    async def ping(self) -> None:
        """Raise unless the model works."""
        await self._embedder.ping()


@asynccontextmanager
async def open_embedder(settings: RagSettings) -> AsyncIterator[Embedder]:
    """Open the model that the settings name. Raises SettingsError when that can't work."""
    opening = _open_server(settings) if settings.embeddings_base_url else _open_bundled(settings)
    async with opening as embedder:
        yield RememberedQuestions(embedder, settings.embeddings_cache)


def _open_bundled(settings: RagSettings) -> AbstractAsyncContextManager[Embedder]:
    from services.rag.embed.bundled import open_bundled_model  # noqa: PLC0415 -- see above

    return open_bundled_model(
        threads=settings.embeddings_threads,
        intra_op_threads=settings.embeddings_intra_op_threads,
    )


def _open_server(settings: RagSettings) -> AbstractAsyncContextManager[Embedder]:
    from services.rag.embed.server import (  # noqa: PLC0415 -- see above
        EmbeddingTimeouts,
        open_openai_embeddings,
    )

    if not settings.embeddings_model:
        raise SettingsError("EMBEDDINGS_BASE_URL is set, so EMBEDDINGS_MODEL must name a model.")
    return open_openai_embeddings(
        settings.embeddings_base_url,
        api_key=settings.embeddings_api_key.get_secret_value(),
        model=settings.embeddings_model,
        dimensions=settings.embeddings_dimensions,
        query_prefix=settings.embeddings_query_prefix,
        timeout=settings.embeddings_timeout,
        patience=EmbeddingTimeouts(
            question=settings.embeddings_question_patience,
            passages=settings.embeddings_patience,
        ),
    )
