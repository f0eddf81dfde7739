"""Sources that change: one version answers at every moment, and in the end the newest alone."""

import asyncio

import msgspec
import pytest

from libs.bus.errors import FaultError
from libs.bus.queues import Delivered
from libs.contracts.events import SourceFailed, SourceReady
from libs.contracts.sources import (
    DELETE_SOURCE,
    LIST_SOURCES,
    UPDATE_SOURCE,
    DeleteSource,
    FileInfo,
    ListSources,
    Source,
    UpdateSource,
)
from libs.runtime.ids import new_id
from tests.rag.service import Rag
from tests.rag.worker import BATCH, Worker
from tests.support.source_texts import hours, long_text
from tests.support.stored_files import file_of_rows, has_file, store_file

ANY = [1.0, 0.0]


async def found_versions(worker: Worker) -> set[int]:
    """The versions that an answer of this agent would use."""
    return {hit.chunk.version for hit in await worker.index.search("a1", ANY, [], 50)}


async def change(worker: Worker, source_id: str, shelves: int) -> None:
    """Give a text source other content."""
    text = long_text(shelves).text
    await worker.sources.update(UpdateSource(agent_id="a1", source_id=source_id, text=text))


async def test_a_change_answers_with_one_version_at_every_moment(worker: Worker) -> None:
    """While the second version is indexed the first one is found; then only the second."""
    job = await worker.create("a1")
    worker.embedder.go_on.set()
    await worker.ingestion.ingest(Delivered(job, 1))
    assert await found_versions(worker) == {1}
    worker.embedder.go_on.clear()
    worker.embedder.batches = 0
    await change(worker, job.source_id, 6)
    running = asyncio.create_task(worker.ingestion.ingest(Delivered(job, 1)))
    await worker.embedder.halted.wait()
    assert await found_versions(worker) == {1}
    worker.embedder.go_on.set()
    await running
    assert await found_versions(worker) == {2}
    found = await worker.store.get("a1", job.source_id)
    assert found is not None
    assert (found.status, found.version) == ("ready", 2)
    assert await worker.index.count("a1") == found.chunks


async def test_a_change_in_the_middle_of_indexing_wins(worker: Worker) -> None:
    """The job of the version before stops and leaves nothing of it."""
    job = await worker.create("a1")
    running = await worker.begin(job)
    await change(worker, job.source_id, 1)
    worker.embedder.go_on.set()
    await running
    assert await worker.index.count("a1") == 0
    assert await worker.jobs() == 2
    await worker.ingestion.ingest(Delivered(job, 1))
    assert await found_versions(worker) == {2}


async def test_a_killed_indexing_goes_on_where_it_stood(worker: Worker) -> None:
    """What is in the index already is not embedded again."""
    job = await worker.create("a1")
    running = await worker.begin(job)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    worker.embedder.batches = 2
    worker.embedder.go_on.set()
    await worker.ingestion.ingest(Delivered(job, 2))
    found = await worker.store.get("a1", job.source_id)
    assert found is not None
    assert (worker.embedder.batches - 2) * BATCH == found.chunks - BATCH
    assert await worker.index.count("a1") == found.chunks


async def test_a_delivery_that_comes_too_late_hides_nothing(worker: Worker) -> None:
    """A delivery that puts chunks of a version that is ready by now ends with all of them found."""
    job = await worker.create("a1")
    late = await worker.begin(job)
    worker.embedder.batches = 2
    await worker.ingestion.ingest(Delivered(job, 2))
    total = len(await worker.index.search("a1", ANY, [], 50))
    worker.embedder.go_on.set()
    await late
    assert (
        len(await worker.index.search("a1", ANY, [], 50)) == total == await worker.index.count("a1")
    )


async def test_a_change_that_fails_leaves_the_version_before(rag: Rag) -> None:
    """The source says why, and goes on answering with what it said before."""
    source = hours()
    await rag.add_ready([source], "a1")
    blank = UpdateSource(agent_id="a1", source_id=source.source_id, answer=" ")
    await rag.bus.call(UPDATE_SOURCE, blank)
    assert isinstance(await rag.event(SourceFailed, source.source_id), SourceFailed)
    page = await rag.bus.call(LIST_SOURCES, ListSources(agent_id="a1"))
    assert [(row.status, row.chunks) for row in page.items] == [("failed", 1)]
    grounded = await rag.ask("a1", "what are your business hours?")
    assert grounded.passages[0].answer == source.answer


async def test_what_is_changed_is_found(rag: Rag) -> None:
    """Through the running service: the new answer is given, the old one is not."""
    source = hours()
    await rag.add_ready([source], "a1")
    rag.seen_events.clear()
    update = UpdateSource(agent_id="a1", source_id=source.source_id, answer="We open at noon.")
    changed = await rag.bus.call(UPDATE_SOURCE, update)
    assert (changed.status, changed.version) == ("queued", 2)
    assert isinstance(await rag.event(SourceReady, source.source_id), SourceReady)
    grounded = await rag.ask("a1", "what are your business hours?")
    assert [passage.answer for passage in grounded.passages] == ["We open at noon."]


async def test_a_replaced_file_goes(rag: Rag) -> None:
    """The file of the version before is kept until the new one is ready, and then removed."""
    first, second = file_of_rows(3), file_of_rows(4)
    await store_file(rag.bus, first)
    await rag.add_ready([first], "a1")
    await store_file(rag.bus, second)
    rag.seen_events.clear()
    update = UpdateSource(
        agent_id="a1",
        source_id=first.source_id,
        file=FileInfo(name="prices.csv", size=1),
        file_id=second.source_id,
        digest="other",
    )
    await rag.bus.call(UPDATE_SOURCE, update)
    ready = await rag.event(SourceReady, first.source_id)
    assert isinstance(ready, SourceReady)
    assert ready.chunks == 4
    assert not await has_file(rag.bus, first.source_id)
    assert await has_file(rag.bus, second.source_id)
    await rag.bus.call(DELETE_SOURCE, DeleteSource(agent_id="a1", source_id=first.source_id))
    assert not await has_file(rag.bus, second.source_id)


async def test_changes_at_once_end_with_one_of_them(rag: Rag) -> None:
    """Each change makes a version of its own, none is lost halfway, one answer is left."""
    source = hours()
    await rag.add_ready([source], "a1")
    rag.seen_events.clear()
    answers = [f"We open at {hour} o'clock." for hour in range(1, 9)]
    changed = await asyncio.gather(
        *(
            rag.bus.call(
                UPDATE_SOURCE,
                UpdateSource(agent_id="a1", source_id=source.source_id, answer=answer),
            )
            for answer in answers
        )
    )
    last = max(changed, key=lambda one: one.version)
    assert last.version == len(answers) + 1
    async with asyncio.timeout(30):
        while (await rag.event(SourceReady, source.source_id)).event_id.endswith("_9") is False:
            rag.seen_events.clear()
    grounded = await rag.ask("a1", "what are your business hours?")
    assert [passage.answer for passage in grounded.passages] == [last.answer]


async def add_again(rag: Rag, agent_id: str = "a1", **changed: str) -> Source:
    """Add the shop's hours under another id, with something changed."""
    return await rag.add(msgspec.structs.replace(hours(), answer="At nine.", **changed), agent_id)


async def test_the_same_content_is_one_source(rag: Rag) -> None:
    """Whatever its title and white space; another agent, or other content, is another."""
    first = await add_again(rag)
    again = await add_again(rag, title="Opening", question=f" {first.question} ")
    assert (again.id, again.title) == (first.id, first.title)
    assert (await add_again(rag, agent_id="a2")).id != first.id
    assert (await add_again(rag, question="When?")).id != first.id


async def test_the_same_content_at_once_is_one_source(rag: Rag) -> None:
    """Also when it arrives at the same moment several times."""
    added = await asyncio.gather(*(add_again(rag) for _ in range(8)))
    assert len({source.id for source in added}) == 1
    page = await rag.bus.call(LIST_SOURCES, ListSources(agent_id="a1"))
    assert len(page.items) == 1


async def test_deleted_content_may_be_added_again(rag: Rag) -> None:
    """What is gone stands in nobody's way, and neither does what failed."""
    first = await add_again(rag)
    await rag.bus.call(DELETE_SOURCE, DeleteSource(agent_id="a1", source_id=first.id))
    assert (await add_again(rag)).id != first.id
    blank = msgspec.structs.replace(long_text(1), text=" ")
    failed = await rag.add(blank, "a1")
    await rag.event(SourceFailed, failed.id)
    again = await rag.add(msgspec.structs.replace(blank, source_id=new_id("src")), "a1")
    assert again.id != failed.id


async def test_content_of_a_source_that_is_being_deleted_may_be_added(worker: Worker) -> None:
    """A deletion that waits for the index, say, stands in nobody's way."""
    job = await worker.create("a1")
    assert await worker.store.hide("a1", job.source_id)
    async with asyncio.timeout(5):
        again = await worker.create("a1")
    assert again.source_id != job.source_id


async def test_a_change_to_what_another_source_says_is_a_conflict(rag: Rag) -> None:
    """The source stays what it was."""
    await add_again(rag)
    other = await add_again(rag, question="When?")
    update = UpdateSource(agent_id="a1", source_id=other.id, question=hours().question)
    with pytest.raises(FaultError, match="conflict"):
        await rag.bus.call(UPDATE_SOURCE, update)


@pytest.mark.parametrize(
    ("field", "value"), [("text", "x"), ("file", FileInfo(name="a.txt", size=1))]
)
async def test_a_field_of_another_type_is_refused(
    rag: Rag, field: str, value: str | FileInfo
) -> None:
    """A question has no text and no file: the field is named."""
    source = await add_again(rag)
    update = UpdateSource(agent_id="a1", source_id=source.id)
    with pytest.raises(FaultError) as caught:
        await rag.bus.call(UPDATE_SOURCE, msgspec.structs.replace(update, **{field: value}))
    assert (caught.value.fault.code, caught.value.fault.param) == ("invalid", field)
