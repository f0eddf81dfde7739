"""Embeddings from any server that speaks OpenAI's embeddings API.

What a server takes is learnt from what it refuses: the form of a request, how many texts at once,
and that a text is too long, which is then cut, as the bundled model cuts its texts. Why this is a
plain HTTP client: docs/decisions/embeddings-any-server.md.
"""

import asyncio
import json
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from itertools import chain, repeat
from typing import Any

import structlog
from stamina import retry_context

from libs.runtime.settings import SettingsError
from services.rag.embed.answer import error_in, vectors_in
from services.rag.embed.errors import (
    Broken,
    EmbeddingError,
    EmbeddingRefused,
    EmbeddingUnavailable,
    Missing,
    NotTaken,
    OddAnswer,
    Slow,
    TooMuch,
)
from services.rag.embed.post import Answered, Poster, open_poster
from services.rag.embed.refusals import AskedTexts, refusal
from services.rag.vector import Vector

log = structlog.get_logger()

PING_EVERY = 30.0
"""Seconds for which the last success counts as health: a call may cost money."""
LOOK_EVERY = 3.0
"""Seconds between two looks for a server that was not there when rag started."""
WAITS = (0.2, 0.4, 0.8, 1.6, 3.2, 5.0)
"""Seconds between two tries when the server does not say how long; the last one repeats."""
SHORTEST = 100
"""Characters down to which a text that is refused is cut."""

FORMS: tuple[tuple[str | None, bool], ...] = (
    ("base64", True),
    ("float", True),
    (None, True),
    ("float", False),
    (None, False),
)
"""`encoding_format`, and whether texts go in a list: the first that a server takes is kept. Base64
comes first, since it is a quarter of the size of numbers and read in an eighth of the time."""


@dataclass(frozen=True, kw_only=True)
class EmbeddingTimeouts:
    """Seconds for which a question, and a batch of passages, is tried again."""

    question: float
    passages: float


class OpenAIEmbeddings:
    """One model on one server. `wanted` is the vector size to ask for, None for the model's own."""

    def __init__(
        self,
        poster: Poster,
        model: str,
        wanted: int | None,
        query_prefix: str,
        patience: EmbeddingTimeouts,
    ) -> None:
        self._poster = poster
        self._model = model
        self._wanted = wanted
        self._query_prefix = query_prefix
        self._patience = patience
        self._worked_at = -math.inf
        self._form = 0
        self._form_is_known = False
        self._most: float = math.inf  # texts at once, as far as is known
        self._refusals = 0
        self._pinging: asyncio.Task[list[Vector]] | None = None
        self.dimensions = wanted or 0

    async def embed_question(self, text: str) -> Vector:
        """Embed what is searched for. Raises EmbeddingError."""
        patience = self._patience.question
        try:
            async with asyncio.timeout(patience):
                (vector,) = await self._embed([self._query_prefix + text], patience)
        except TimeoutError:
            raise Slow("The embedding server did not answer a question in time.") from None
        return vector

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Embed what is to be found. Raises EmbeddingError."""
        vectors: list[Vector] = []
        while len(vectors) < len(texts):
            batch = texts[len(vectors) :][: int(min(self._most, len(texts)))]
            vectors += await self._embed(batch, self._patience.passages)
        return vectors

    async def ping(self) -> None:
        """Raise unless the server embeds, or did so just now.

        The call goes on when nobody waits for it any more: a model that has to be loaded first
        takes longer than a probe may, and the next probe finds it there.
        """
        if time.monotonic() - self._worked_at <= PING_EVERY:
            return
        if self._pinging is None or self._pinging.done():
            self._pinging = asyncio.create_task(self._ask(["ping"]))
            self._pinging.add_done_callback(_looked_at)
        await asyncio.shield(self._pinging)

    async def measure(self) -> None:
        """Learn what the server takes and its model's vector size. Raises EmbeddingError."""
        (vector,) = await self._ask(["size"])
        self.dimensions = len(vector)

    def knows(self, _text: str) -> bool:
        """It is for whoever chose the model to know: it is taken to know every language."""
        return True

    async def appears(self) -> None:
        """Return once the server has been measured, however long that takes."""
        while True:
            try:
                return await self.measure()
            except EmbeddingError as error:
                log.warning("embeddings.awaited", error=str(error))
                await asyncio.sleep(LOOK_EVERY)

    async def close(self) -> None:
        """End what may still be under way."""
        if self._pinging is not None:
            self._pinging.cancel()
            await asyncio.gather(self._pinging, return_exceptions=True)

    async def _embed(self, texts: Sequence[str], patience: float) -> list[Vector]:
        """Embed texts in one request if that goes, else one half and then the other."""
        try:
            return await self._patiently(texts, patience)
        except (TooMuch, Missing, Slow) as error:
            self._refusals += 1
            slow = isinstance(error, Slow)
            if len(texts) == 1:
                return [await self._shortened(texts[0], error, patience)]
        before = self._refusals
        half = (len(texts) + 1) // 2
        vectors = await self._embed(texts[:half], patience)
        vectors += await self._embed(texts[half:], patience)
        if self._refusals == before and not slow:  # both went as they were: it was the number
            self._most = min(self._most, half)
            log.info("embeddings.fewer_at_once", texts=half)
        return vectors

    async def _shortened(self, text: str, error: EmbeddingError, patience: float) -> Vector:
        """Embed the beginning of a text that is too long; what it tells of the rest is lost.

        Raises the error when it is about something else.
        """
        length = len(text) // 2
        while isinstance(error, TooMuch) and length >= SHORTEST:
            try:
                (vector,) = await self._patiently([text[:length]], patience)
            except TooMuch:
                length //= 2
            else:
                log.info("embeddings.text_cut", characters=len(text), to=length)
                return vector
        raise error

    async def _patiently(self, texts: Sequence[str], patience: float) -> list[Vector]:
        """Ask, and ask again while the server does not embed for now."""
        end = time.monotonic() + patience
        waits = chain(WAITS, repeat(WAITS[-1]))

        def again(error: Exception) -> bool | float:
            if not isinstance(error, EmbeddingUnavailable) or (
                isinstance(error, Slow) and len(texts) > 1
            ):
                return False
            wait = next(waits) if error.wait is None else max(error.wait, WAITS[0])
            # A wait that is longer than the patience is not worth beginning.
            return wait if time.monotonic() + wait < end else False

        async for attempt in retry_context(on=again, attempts=None, timeout=None):
            with attempt:
                return await self._ask(texts)
        raise AssertionError  # the loop above returns or raises

    async def _ask(self, texts: Sequence[str]) -> list[Vector]:
        """Ask once; as long as it is not known which form the server takes, in all of them."""
        try:
            return await self._ask_in(self._form, texts)
        except (NotTaken, OddAnswer, Broken):
            if self._form_is_known:
                raise
            for form in range(1, len(FORMS)):
                if FORMS[form][1] or len(texts) == 1:
                    with suppress(NotTaken, OddAnswer, Broken):
                        return await self._ask_in(form, texts)
            raise

    def _learn(self, form: int) -> None:
        self._worked_at = time.monotonic()
        if self._form_is_known:
            return
        self._form, self._form_is_known = form, True
        encoding, listed = FORMS[form]
        if not listed:
            self._most = 1
        if form:
            log.info("embeddings.form", encoding_format=encoding, list=listed)

    async def _ask_in(self, form: int, texts: Sequence[str]) -> list[Vector]:
        encoding, listed = FORMS[form]
        sent = [_without_surrogates(text) for text in texts]
        body: dict[str, Any] = {"model": self._model, "input": sent if listed else sent[0]}
        if encoding is not None:
            body["encoding_format"] = encoding
        if self._wanted is not None:
            body["dimensions"] = self._wanted
        answered = await self._poster.post(json.dumps(body).encode())
        if not answered.is_success:
            raise self._refusal(answered, sent)
        try:
            vectors = vectors_in(answered.body, len(texts))
        except OddAnswer:
            if error_in(answered.body) is None:
                raise
            raise self._refusal(answered, sent) from None
        self._check(len(vectors[0]))
        self._learn(form)
        return vectors

    def _refusal(self, answered: Answered, texts: Sequence[str]) -> EmbeddingError:
        longest = max(map(len, texts))
        asked = AskedTexts(texts=len(texts), characters=longest, dimensions=self._wanted)
        return refusal(answered.status, answered.headers, answered.body, asked)

    def _check(self, size: int) -> None:
        if self._wanted and size != self._wanted:
            raise EmbeddingRefused(
                f"The embedding server sent vectors of {size} numbers, not {self._wanted}; the "
                f"operator has to correct or unset EMBEDDINGS_DIMENSIONS."
            )
        if self.dimensions and size != self.dimensions:
            raise EmbeddingRefused(
                f"The embedding server sent vectors of {size} numbers, not {self.dimensions} as "
                f"before: another model answers. The operator has to bring the old one back, or to "
                f"restart rag with another INDEX_COLLECTION."
            )


def _without_surrogates(text: str) -> str:
    """Return a text that is valid Unicode: halves of a pair become question marks."""
    return text.encode(errors="replace").decode()


def _looked_at(task: asyncio.Task[Any]) -> None:
    """Take note of how it ended, which nobody may be waiting for."""
    if not task.cancelled():
        task.exception()


@asynccontextmanager
async def open_openai_embeddings(
    base_url: str,
    *,
    api_key: str,
    model: str,
    dimensions: int | None,
    query_prefix: str,
    timeout: float,
    patience: EmbeddingTimeouts,
) -> AsyncIterator[OpenAIEmbeddings]:
    """Open the client and ask the server for its vector size, which stays 0 when it is away.

    Raises SettingsError when the server is there and won't embed.
    """
    async with open_poster(base_url, api_key=api_key, timeout=timeout) as poster:
        embeddings = OpenAIEmbeddings(poster, model, dimensions, query_prefix, patience)
        try:
            await embeddings.measure()
        except EmbeddingUnavailable as error:
            log.warning("embeddings.not_there", error=str(error))
        except EmbeddingError as error:
            said = f" It says: {error.said}" if error.said else ""
            raise SettingsError(
                f"The embedding server at EMBEDDINGS_BASE_URL={poster.shown} does not embed with "
                f"EMBEDDINGS_MODEL={model}. {error}{said}"
            ) from None
        try:
            yield embeddings
        finally:
            await embeddings.close()
