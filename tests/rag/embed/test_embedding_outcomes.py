"""What becomes of sources and questions with an embedding server that is odd, fails or is away."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.bus.bus import Bus
from libs.contracts.calls import Probe, probe
from libs.contracts.chat import GROUND, Ground
from libs.contracts.events import MessageFailed, SourceFailed, SourceReady
from libs.contracts.message import decode
from libs.contracts.queues import CHAT_REQUESTED
from libs.contracts.sources import CreateSource
from libs.runtime.ids import new_id
from services.rag.app import run
from services.rag.search.chat import NOT_AT_ALL, NOT_NOW
from tests.fakes.odd_embeddings import Behaviour, OddEmbeddings, Said, ordinary
from tests.rag.service import Rag, chat_request
from tests.support.embedding_answers import ODD, RIGHT, error

PERMANENT = {name: ODD[name] for name in ("401", "402", "404-model", "418", "error-with-200")}
ACCIDENTS = {name: ODD[name] for name in ("nan", "zeros", "null", "empty-list", "page", "deep")}
SIZES = {
    "another-size": (lambda asked: Said({"data": [[1.0] * 8 for _ in asked.texts]}), "8 numbers"),
    "never-long": (lambda _: Said({}, 400), "refuses a text of [0-9]+ characters"),
}
FAILING: dict[str, tuple[Behaviour, str]] = {**PERMANENT, **ACCIDENTS, **SIZES}
WORKING = {
    name: RIGHT[name]
    for name in ("ten-at-once-400", "short-texts-400", "shuffled", "429-every-second", "bare-list")
} | {"500-twice": lambda asked: error(500, "") if asked.nth <= 2 else ordinary(asked)}
ASKED: dict[str, Behaviour] = {
    "ask-401": lambda _: Said({}, 401),
    "ask-error": lambda _: Said({"error": "no"}),
    "ask-500": lambda _: Said({}, 500),
    "ask-hour": lambda _: Said({}, 429, {"retry-after": "3600"}),
}


@pytest.fixture
async def odd(
    environment: dict[str, str], rag_bus: Rag, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[Rag, OddEmbeddings]]:
    """A rag service on a server that does what a mark in a text says."""
    assert environment
    marks = {name: one for name, (one, _) in FAILING.items()} | WORKING | ASKED
    async with OddEmbeddings({f"mark-{name}.": one for name, one in marks.items()}) as server:
        settings = {
            "EMBEDDINGS_BASE_URL": server.base_url,
            "EMBEDDINGS_MODEL": "m",
            "EMBEDDINGS_BATCH": "16",
            "EMBEDDINGS_QUESTION_PATIENCE": "1",
            "RAG_INGEST_SLOTS": "8",
        }
        for name, value in settings.items():
            monkeypatch.setenv(name, value)
        async with run():
            yield rag_bus, server


def marked(name: str) -> CreateSource:
    """A text source of several chunks, each with the mark."""
    text = "\n\n".join(f"mark-{name}. Shelf {number} holds. " * 12 for number in range(12))
    return CreateSource(
        source_id=new_id("src"), account_id="acc", agent_id="", kind="text", title=name, text=text
    )


async def test_sources_end_ready_or_with_a_sentence(
    odd: tuple[Rag, OddEmbeddings], capsys: pytest.CaptureFixture[str]
) -> None:
    """What can be embedded is; all else fails soon, in words of what the server did."""
    rag, server = odd
    sources = {name: await rag.add(marked(name), "a1") for name in [*FAILING, *WORKING]}
    for name in WORKING:
        assert await rag.event(SourceReady, sources[name].id)
    for name, (_, sentence) in FAILING.items():
        failed = await rag.event(SourceFailed, sources[name].id)
        assert isinstance(failed, SourceFailed)
        assert pytest.raises(AssertionError, match=sentence).matches(AssertionError(failed.message))
        assert "later" not in failed.message
    # Not six deliveries, as for an outage: 51 seconds.
    assert {server.asked[f"mark-{name}."] for name in PERMANENT} == {1}
    said = capsys.readouterr().out
    assert "embedding server" in said
    assert not [word for word in ("TypeError", "AttributeError", "NoneType") if word in said]


async def test_a_question_that_can_not_be_embedded_fails_in_words(
    odd: tuple[Rag, OddEmbeddings],
) -> None:
    """Soon, naming the search; that it may be tried again is said only where it may help."""
    rag, _ = odd
    log = await rag.bus.client.subscribe("events.message.failed.*")
    code_of = {}
    for name in ASKED:
        request = chat_request("a1", f"mark-{name}. When do you open?")
        code_of[request.message_id] = name
        await rag.bus.send(CHAT_REQUESTED, request)
    ended = {}
    for _ in ASKED:
        message = await log.next_msg(timeout=25)
        failed = decode(message.data, MessageFailed)
        ended[code_of[failed.message_id]] = (failed.code, failed.message)
    assert ended == {
        "ask-401": ("search_failed", NOT_AT_ALL),
        "ask-error": ("search_failed", NOT_AT_ALL),
        "ask-500": ("service_unavailable", NOT_NOW),
        "ask-hour": ("service_unavailable", NOT_NOW),
    }


async def test_rag_starts_without_its_embedding_server(
    environment: dict[str, str], rag_bus: Rag, bus: Bus, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says so to every probe, keeps what is added, and goes on when the server appears."""
    assert environment
    async with OddEmbeddings({}) as gone:
        pass
    monkeypatch.setenv("EMBEDDINGS_BASE_URL", gone.base_url)
    monkeypatch.setenv("EMBEDDINGS_MODEL", "m")
    monkeypatch.setenv("RETRIEVAL_MIN_RELEVANCE", "0")
    async with run():
        health = await bus.call(probe("rag"), Probe(), patience=0)
        details = {one.name: one.detail for one in health.dependencies if not one.ok}
        assert "EMBEDDINGS_BASE_URL" in details["embeddings"]
        assert "refused" in details["embeddings"]
        assert "waits for the embedding server" in details["qdrant"]
        source = await rag_bus.add(marked("plain"), "a1")
        async with OddEmbeddings({}, gone.port):
            assert await rag_bus.event(SourceReady, source.id)
            grounded = await rag_bus.ask("a1", "What does shelf 3 hold?")
            assert grounded.passages
            found = await bus.call(GROUND, Ground(agent_id="a1", question="shelf 3"), patience=0)
            assert found.passages


async def test_a_job_waits_for_a_server_that_went_away(
    odd: tuple[Rag, OddEmbeddings],
) -> None:
    """A source that is added while nothing listens is ready once something does."""
    rag, server = odd
    await server.__aexit__(None, None, None)
    source = await rag.add(marked("plain"), "a1")
    async with asyncio.timeout(30):
        async with OddEmbeddings({}, server.port):
            assert await rag.event(SourceReady, source.id)
