"""The calls about sources, and how a source becomes ready, through the running service."""

import msgspec
import pytest

from libs.bus.errors import FaultError
from libs.contracts.calls import Done
from libs.contracts.events import AgentDeleted, SourceFailed, SourceReady
from libs.contracts.queues import AGENT_DELETED, SOURCE_READY, SOURCES_SUBMITTED
from libs.contracts.sources import (
    DELETE_SOURCE,
    GET_SOURCE,
    LIST_SOURCES,
    DeleteSource,
    GetSource,
    ListSources,
    SourceSubmitted,
)
from services.rag.app import run
from tests.fakes.openai_server import FakeOpenAI
from tests.rag.service import Rag, agent_deleted
from tests.rag.shop import SOURCES
from tests.support.source_texts import hours, long_text


async def test_a_new_source_is_queued_then_ready(rag: Rag) -> None:
    """Creating answers at once; the event says when the source can be found, and in how many."""
    created = await rag.add(long_text(5), "a1")
    assert (created.status, created.chunks, created.title) == ("queued", 0, "Shelves")
    ready = await rag.event(SourceReady, created.id)
    assert isinstance(ready, SourceReady)
    assert (ready.event_id, ready.account_id, ready.agent_id) == (
        f"evt_ready_{created.id}_1",
        "acc",
        "a1",
    )
    found = await rag.bus.call(GET_SOURCE, GetSource(agent_id="a1", source_id=created.id))
    assert (found.status, found.chunks) == ("ready", ready.chunks)
    assert ready.chunks >= 5
    assert (found.text, found.created_at) == (created.text, created.created_at)


async def test_creating_again_answers_the_same(rag: Rag) -> None:
    """A repeated call makes no second source and changes nothing of the first."""
    source = hours()
    first = await rag.add(source, "a1")
    await rag.event(SourceReady, first.id)
    again = await rag.add(msgspec.structs.replace(source, answer="Never."), "a1")
    assert (again.id, again.answer, again.status) == (first.id, source.answer, "ready")
    page = await rag.bus.call(LIST_SOURCES, ListSources(agent_id="a1"))
    assert [row.id for row in page.items] == [first.id]


async def test_a_blank_source_fails_with_a_reason(rag: Rag) -> None:
    """Nothing to find is a failure that says so, in the source and in its event."""
    created = await rag.add(msgspec.structs.replace(long_text(1), text=" \n "), "a1")
    failed = await rag.event(SourceFailed, created.id)
    assert isinstance(failed, SourceFailed)
    assert failed.message == "There is no text in this source."
    found = await rag.bus.call(GET_SOURCE, GetSource(agent_id="a1", source_id=created.id))
    assert (found.status, found.error) == ("failed", failed.message)


async def test_lists_are_newest_first_in_pages(rag: Rag) -> None:
    """Each page continues after the cursor of the one before; only the agent's own are there."""
    ids = [(await rag.add(hours(), "a1")).id for _ in range(5)]
    await rag.add(hours(), "a2")
    listed, cursor, pages = [], None, 0
    while cursor or not pages:
        question = ListSources(agent_id="a1", cursor=cursor, limit=2)
        page = await rag.bus.call(LIST_SOURCES, question)
        listed += [row.id for row in page.items]
        cursor, pages = page.next_cursor, pages + 1
    assert listed == sorted(ids, reverse=True)
    assert pages == 3


async def test_another_agents_source_is_not_there(rag: Rag) -> None:
    """Reading or deleting it is `not_found`, and it stays."""
    source = await rag.add(hours(), "a1")
    read = GetSource(agent_id="a2", source_id=source.id)
    delete = DeleteSource(agent_id="a2", source_id=source.id)
    for asking in (rag.bus.call(GET_SOURCE, read), rag.bus.call(DELETE_SOURCE, delete)):
        with pytest.raises(FaultError) as caught:
            await asking
        assert (caught.value.fault.code, caught.value.fault.param) == ("not_found", "source_id")
    assert (await rag.bus.call(GET_SOURCE, GetSource(agent_id="a1", source_id=source.id))).id


async def test_a_source_id_of_another_agent_is_taken(rag: Rag) -> None:
    """Creating under an id that another agent uses is a conflict."""
    source = hours()
    await rag.add(source, "a1")
    with pytest.raises(FaultError, match="conflict"):
        await rag.add(source, "a2")


async def test_a_deleted_source_is_in_no_answer(rag: Rag) -> None:
    """As soon as deleting is answered the source is gone from answers, lists and reads."""
    await rag.add_ready(SOURCES[:2], "a1")
    gone = SOURCES[0].source_id
    deleted = await rag.bus.call(DELETE_SOURCE, DeleteSource(agent_id="a1", source_id=gone))
    assert deleted == Done()
    grounded = await rag.ask("a1", "what are your business hours?")
    assert gone not in {passage.source_id for passage in grounded.passages}
    page = await rag.bus.call(LIST_SOURCES, ListSources(agent_id="a1"))
    assert [row.id for row in page.items] == [SOURCES[1].source_id]
    with pytest.raises(FaultError, match="not_found"):
        await rag.bus.call(DELETE_SOURCE, DeleteSource(agent_id="a1", source_id=gone))


async def test_a_deleted_agent_leaves_nothing(rag: Rag) -> None:
    """After its deletion no source is listed, found or accepted; other agents keep theirs."""
    await rag.add_ready(SOURCES[:1], "a1")
    other = hours()
    await rag.add_ready([other], "a2")
    await rag.publish(AGENT_DELETED.at("a1"), agent_deleted("a1"))
    await rag.event(AgentDeleted, "a1")
    await until_empty(rag, "a1")
    grounded = await rag.ask("a1", "what are your business hours?")
    assert (grounded.passages, grounded.confidence) == ((), 0.0)
    with pytest.raises(FaultError, match="not_found"):
        await rag.add(hours(), "a1")
    assert (await rag.bus.call(LIST_SOURCES, ListSources(agent_id="a1"))).items == ()
    kept = await rag.ask("a2", "what are your business hours?")
    assert kept.passages[0].source_id == other.source_id


async def until_empty(rag: Rag, agent_id: str) -> None:
    """Wait until an agent has no sources."""
    for _ in range(500):
        if not (await rag.bus.call(LIST_SOURCES, ListSources(agent_id=agent_id))).items:
            return
    raise AssertionError("the sources are still there")


async def test_a_job_for_a_ready_source_changes_nothing(rag: Rag) -> None:
    """A job that comes twice neither indexes twice nor announces twice."""
    source, next_one = hours(), hours()
    await rag.add_ready([source], "a1")
    job = SourceSubmitted(agent_id="a1", source_id=source.source_id)
    await rag.publish(SOURCES_SUBMITTED.subject, job)
    await rag.add_ready([next_one], "a1")
    ready = SOURCE_READY.at(source.source_id)
    log = await rag.bus.jetstream.stream_info("EVENTS", subjects_filter=ready)
    assert log.state.subjects == {ready: 1}
    found = await rag.bus.call(GET_SOURCE, GetSource(agent_id="a1", source_id=source.source_id))
    assert (found.status, found.chunks) == ("ready", 1)


async def test_embeddings_from_a_server_that_comes_back(
    environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, rag_bus: Rag
) -> None:
    """With EMBEDDINGS_BASE_URL set a source waits while that server is away, then is indexed."""
    assert environment
    async with FakeOpenAI(dimensions=16) as fake:
        port = fake.port
    monkeypatch.setenv("EMBEDDINGS_BASE_URL", fake.base_url)
    monkeypatch.setenv("EMBEDDINGS_MODEL", "embed-1")
    monkeypatch.setenv("EMBEDDINGS_DIMENSIONS", "16")
    monkeypatch.setenv("CONFIDENCE_MIDPOINT", "-1")
    monkeypatch.setenv("RELEVANCE_MIDPOINT", "-1")
    source = hours()
    async with run():
        await rag_bus.add(source, "a1")
        async with FakeOpenAI(port=port, dimensions=16):
            await rag_bus.event(SourceReady, source.source_id)
            grounded = await rag_bus.ask("a1", "when?")
    assert grounded.passages[0].source_id == source.source_id
