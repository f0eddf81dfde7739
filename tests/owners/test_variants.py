"""Other members of each kind: found by the real search, quoted by the real answerer."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.contracts.chat import AgentProfile, ChatGrounded, ChatRequested, Ground
from libs.contracts.sources import Source
from libs.runtime.clock import now
from services.llm.agent_settings import AgentSettings
from services.llm.extractive import extract
from services.rag.app import limits_of, reading_of
from services.rag.chunk import chunks_of, chunks_of_document, embedded_text
from services.rag.confidence import calibration_of
from services.rag.embed import Embedder, open_embedder
from services.rag.index.embedded import open_embedded_index
from services.rag.index.interface import Chunk, Index
from services.rag.parse.isolated import read_isolated
from services.rag.retrieve import Retriever
from services.rag.settings import RagSettings
from tests.owners.judge import UNKNOWN, has
from tests.owners.variants import Agent, Ask, agents

THRESHOLD = 0.5


@dataclass
class Stack:
    """What all agents share."""

    settings: RagSettings
    embedder: Embedder
    index: Index
    retriever: Retriever

    async def told(self, agent: Agent, question: str) -> tuple[str, ChatGrounded]:
        """Ask an agent; return its answer and what it was made of."""
        found = await self.retriever.ground(Ground(agent_id=agent.name, question=question))
        request = ChatRequested(
            message_id="m",
            conversation_id="c",
            account_id="a",
            agent=AgentProfile(id=agent.name, name="Shop"),
            question=question,
            model="extractive",
            credits=0,
            edge="e",
            requested_at=now(),
        )
        grounded = ChatGrounded(
            request=request, passages=found.passages, confidence=found.confidence
        )
        settings = AgentSettings(
            threshold=THRESHOLD, no_answer=UNKNOWN, verbatim=False, max_tokens=1_000
        )
        return extract(grounded, settings), grounded

    async def teach(self, agent: Agent, directory: Path) -> None:
        """Index all that an agent is given."""
        chunks = [chunk async for chunk in self._chunks(agent, directory)]
        vectors = await self.embedder.embed_passages([embedded_text(one) for one in chunks])
        await self.index.put(chunks, vectors)
        for source_id in {chunk.source_id for chunk in chunks}:
            await self.index.reveal(agent.name, source_id, 1)

    async def _chunks(self, agent: Agent, directory: Path) -> AsyncIterator[Chunk]:
        sizes = {"size": self.settings.chunk_characters, "overlap": self.settings.chunk_overlap}
        for number, source in enumerate(_sources(agent)):
            for chunk in chunks_of(_named(source, number), **sizes):
                yield chunk
        for name, content in agent.uploads():
            path = directory / name
            path.write_text(content)
            read = await read_isolated(path, path.suffix, reading_of(self.settings))
            source = _source(agent, "file", name)
            for chunk in chunks_of_document(_named(source, name), read.sections, **sizes):
                yield chunk


def _sources(agent: Agent) -> Iterator[Source]:
    for question, answer in agent.pairs():
        yield _source(agent, "qa", question, question=question, answer=answer)
    for title, text in agent.text:
        yield _source(agent, "text", title, text=text)


def _source(agent: Agent, kind: str, title: str, **content: str) -> Source:
    return Source(
        id="", agent_id=agent.name, kind=kind, title=title, status="ready",  # type: ignore[arg-type]
        chunks=0, created_at=now(), updated_at=now(), **content,
    )


def _named(source: Source, name: object) -> Source:
    from msgspec.structs import replace

    return replace(source, id=f"{source.agent_id}/{name}")


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The model, an index, and a search over it."""
    settings = RagSettings()
    async with AsyncExitStack() as opened:
        embedder = await opened.enter_async_context(open_embedder(settings))
        index = await opened.enter_async_context(
            open_embedded_index(
                tmp_path_factory.mktemp("variants"),
                collection="c",
                dimensions=embedder.dimensions,
                flush_seconds=60,
            )
        )
        retriever = Retriever(embedder, index, calibration_of(settings), limits_of(settings))
        yield Stack(settings, embedder, index, retriever)


@pytest.mark.parametrize("agent", agents(), ids=lambda agent: agent.name)
async def test_variants(stack: Stack, agent: Agent, tmp_path: Path) -> None:
    """Each wording gets the answer, or is refused where that is right."""
    await stack.teach(agent, tmp_path)
    wrong = []
    for ask in agent.ask:
        for question in ask.asks:
            told, grounded = await stack.told(agent, question)
            first = grounded.passages[0].text if grounded.passages else ""
            found = list(_problems(ask, told, first))
            if found:
                wrong.append(f"{question}\n-> {told}\n{found} {grounded.confidence} {[(p.relevance, p.text[:80]) for p in grounded.passages[:3]]}")
    assert not wrong, "\n\n".join(wrong)


def _problems(ask: Ask, told: str, first: str) -> Iterator[str]:
    if told == UNKNOWN and (ask.unknown or (ask.or_unknown and not ask.answered)):
        return
    if ask.unknown:
        yield "it says that it knows"
    if ask.is_ and told != ask.is_:
        yield f"not the answer: {ask.is_!r}"
    for part in ask.says:
        if not has(told, part):
            yield f"not in the answer: {part!r}"
    for part in ask.not_:
        if has(told, part):
            yield f"in the answer: {part!r}"
    for part in ask.first:
        if not has(first, part):
            yield f"not in the first passage: {part!r}"
    if ask.most and len(told) > ask.most:
        yield f"{len(told)} characters"
