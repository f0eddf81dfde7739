"""Indexes the labelled businesses as agents of one index and asks the real Retriever."""

import time
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.contracts.chat import Exchange, Ground, Passage
from libs.contracts.sources import Source
from libs.runtime.clock import now
from services.rag.app import limits_of, reading_of
from services.rag.embed.interface import Embedder, open_embedder
from services.rag.index.chunk import chunks_of, chunks_of_document, embedded_text
from services.rag.index.embedded import open_embedded_index
from services.rag.index.interface import Chunk, Hit, Index
from services.rag.read.process import read_isolated
from services.rag.search.confidence import calibration_of
from services.rag.search.ground import Retriever
from services.rag.settings import RagSettings
from services.rag.vector import Vector
from tests.eval.sets import Business, LabelledSource, Question


@dataclass(frozen=True)
class Answered:
    """A question and what was found for it.

    `right` says of each passage whether it answers, `of_source` whether its source does: the answer
    may stand in another piece of it.
    """

    business: str
    question: Question
    right: tuple[bool, ...]
    of_source: tuple[bool, ...]
    confidence: float
    ms: dict[str, float]

    @property
    def answerable(self) -> bool:
        """Whether a source answers it."""
        return self.question.style != "out_of_scope"


@dataclass
class Stopwatch:
    """Milliseconds spent in the stages of one question."""

    ms: dict[str, float] = field(default_factory=dict)

    def add(self, stage: str, since: float) -> None:
        """Add what a stage took since `since`, of time.perf_counter."""
        self.ms[stage] = self.ms.get(stage, 0.0) + (time.perf_counter() - since) * 1000


class TimedEmbedder:
    """The embedder, timed."""

    def __init__(self, embedder: Embedder, watch: Stopwatch) -> None:
        self._embedder = embedder
        self._watch = watch

    @property
    def dimensions(self) -> int:
        """The size of its vectors."""
        return self._embedder.dimensions

    def knows(self, text: str) -> bool:
        """As the model says."""
        return self._embedder.knows(text)

    async def embed_question(self, text: str) -> Vector:
        """Embed what is searched for."""
        started = time.perf_counter()
        vector = await self._embedder.embed_question(text)
        self._watch.add("embed", started)
        return vector

    async def embed_passages(self, texts: Sequence[str]) -> list[Vector]:
        """Embed what is to be found."""
        return await self._embedder.embed_passages(texts)

    async def appears(self) -> None:
        """Return once the size of its vectors is known."""
        await self._embedder.appears()

    async def ping(self) -> None:
        """Raise unless the model works."""
        await self._embedder.ping()


class TimedIndex:
    """The index, timed: what is searched, not what is put into it."""

    def __init__(self, index: Index, watch: Stopwatch) -> None:
        self._index = index
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        return getattr(self._index, name)

    async def search(self, *args: Any, **options: Any) -> list[Hit]:
        """Search as the index does."""
        started = time.perf_counter()
        found = await self._index.search(*args, **options)
        self._watch.add("search", started)
        return found


class Agents:
    """Every labelled business as an agent, in one index."""

    def __init__(self, retriever: Retriever, watch: Stopwatch) -> None:
        self._retriever = retriever
        self._watch = watch

    async def scores(self, business: Business, question: Question) -> list[tuple[float, bool]]:
        """Return the score of each chunk that is found, best first, and whether it answers."""
        found = await self._retriever.find(_ground(business, question))
        return [(one.score, _answers(one.hit.chunk, question)) for one in found]

    async def ask(self, business: Business, question: Question) -> Answered:
        """Ask as the edge does, and see which passages are right."""
        asked = _ground(business, question)
        self._watch.ms.clear()
        started = time.perf_counter()
        found = await self._retriever.ground(asked)
        self._watch.add("whole", started)
        ms = self._watch.ms
        ms["beyond embedding"] = ms["whole"] - ms.get("embed", 0.0)
        right = tuple(_answers(passage, question) for passage in found.passages)
        of_source = tuple(_is_of_source(passage, question) for passage in found.passages)
        return Answered(business.name, question, right, of_source, found.confidence, dict(ms))


def _ground(business: Business, question: Question) -> Ground:
    history = tuple(Exchange(question=t.question, answer=t.answer) for t in question.history)
    return Ground(agent_id=business.name, question=question.question, history=history)


def _is_of_source(passage: Passage | Chunk, question: Question) -> bool:
    return passage.source_id.partition("/")[2] in question.answered_by


def _answers(passage: Passage | Chunk, question: Question) -> bool:
    if not _is_of_source(passage, question):
        return False
    said = " ".join(f"{passage.question} {passage.answer} {passage.text}".split())
    return question.passage is None or " ".join(question.passage.split()) in said


@asynccontextmanager
async def indexed(
    businesses: Iterable[Business], settings: RagSettings, directory: Path
) -> AsyncIterator[Agents]:
    """Index the businesses in a directory with what the service itself uses."""
    async with AsyncExitStack() as stack:
        embedder = await stack.enter_async_context(open_embedder(settings))
        index = await stack.enter_async_context(
            open_embedded_index(
                directory,
                collection=settings.index_collection,
                dimensions=embedder.dimensions,
                flush_seconds=settings.index_flush_seconds,
            )
        )
        for business in businesses:
            chunks = await chunks_of_business(business, settings)
            texts = [embedded_text(chunk) for chunk in chunks]
            await index.put(chunks, await embedder.embed_passages(texts))
            for source_id in dict.fromkeys(chunk.source_id for chunk in chunks):
                await index.reveal(business.name, source_id, 1)
        watch = Stopwatch()
        retriever = Retriever(
            TimedEmbedder(embedder, watch),
            TimedIndex(index, watch),
            calibration_of(settings),
            limits_of(settings),
        )
        yield Agents(retriever, watch)


async def chunks_of_business(business: Business, settings: RagSettings) -> list[Chunk]:
    """Cut the sources of a business, its files read as uploaded ones are."""
    size, overlap = settings.chunk_characters, settings.chunk_overlap
    chunks: list[Chunk] = []
    for labelled in business.sources:
        source = _source(business, labelled)
        if labelled.kind == "file":
            path = business.directory / labelled.file
            document = await read_isolated(path, path.suffix.lower(), reading_of(settings))
            chunks += chunks_of_document(source, document.sections, size=size, overlap=overlap)
        else:
            chunks += chunks_of(source, size=size, overlap=overlap)
    return chunks


def _source(business: Business, labelled: LabelledSource) -> Source:
    return Source(
        # Ids are unique among all businesses, as those of real sources are.
        id=f"{business.name}/{labelled.id}",
        agent_id=business.name,
        kind=labelled.kind,
        title=labelled.title,
        status="ready",
        chunks=0,
        created_at=now(),
        updated_at=now(),
        question=labelled.question,
        answer=labelled.answer,
        text=labelled.text,
    )
