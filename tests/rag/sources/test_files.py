"""Files on their way through rag: read, indexed, limited, removed with their source."""

import pytest

from libs.contracts.events import SourceFailed, SourceReady
from libs.contracts.queues import AGENT_DELETED
from libs.contracts.sources import (
    DELETE_SOURCE,
    LIST_SOURCES,
    DeleteSource,
    ListSources,
)
from services.rag.app import run
from tests.rag.service import Rag, agent_deleted
from tests.support.stored_files import file_of_rows, has_file, store_file
from tests.waiting import eventually


async def test_a_file_goes_with_its_source(rag: Rag) -> None:
    """It stays while the source does, and then it is gone."""
    source = file_of_rows(3)
    await store_file(rag.bus, source)
    await rag.add_ready([source], "a1")
    assert await has_file(rag.bus, source.source_id)
    await rag.bus.call(DELETE_SOURCE, DeleteSource(agent_id="a1", source_id=source.source_id))
    assert not await has_file(rag.bus, source.source_id)


async def test_a_file_goes_with_its_agent(rag: Rag) -> None:
    """Deleting an agent leaves no file of it."""
    source = file_of_rows(3)
    await store_file(rag.bus, source)
    await rag.add_ready([source], "a1")
    event = agent_deleted("a1")
    await rag.publish(AGENT_DELETED.at("a1"), event)

    async def is_gone() -> bool:
        return not (await rag.bus.call(LIST_SOURCES, ListSources(agent_id="a1"))).items

    await eventually(is_gone)
    assert not await has_file(rag.bus, source.source_id)


async def test_a_file_that_is_lost_fails_its_source(rag: Rag) -> None:
    """Without its file a source says that it has to be uploaded again."""
    source = file_of_rows(3)
    await rag.add(source, "a1")
    failed = await rag.event(SourceFailed, source.source_id)
    assert isinstance(failed, SourceFailed)
    assert "upload it again" in failed.message


async def test_an_agent_has_a_most(
    environment: dict[str, str], rag_bus: Rag, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source that would go beyond MAX_AGENT_CHUNKS fails; what was there before stays."""
    assert environment
    monkeypatch.setenv("MAX_AGENT_CHUNKS", "5")
    first, second = file_of_rows(3), file_of_rows(3)
    async with run():
        for source in (first, second):
            await store_file(rag_bus.bus, source)
        await rag_bus.add_ready([first], "a1")
        await rag_bus.add(second, "a1")
        failed = await rag_bus.event(SourceFailed, second.source_id)
        assert isinstance(failed, SourceFailed)
        assert "more than 5 chunks" in failed.message
        assert (await rag_bus.ask("a1", "How much is Lamp 2?")).passages
        assert isinstance(await rag_bus.event(SourceReady, first.source_id), SourceReady)
