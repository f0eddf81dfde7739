"""What was stored and not followed up is followed up while the service lives."""

import io
import os
from datetime import timedelta

import msgspec
import pytest
from nats.errors import NoRespondersError

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.bus.files import PIECES, STREAM, open_files
from libs.contracts.sources import SourceSubmitted
from libs.runtime.clock import now
from libs.runtime.mongo import Database
from services.rag.sources.calls import PUBLISHED_WITHIN, SourceCalls
from tests.rag.worker import Worker
from tests.support.source_texts import long_text
from tests.support.stored_files import file_of_rows, store_file

NOW = timedelta(0)


class DeafBus:
    """A bus that confirms nothing."""

    async def send(self, *_: object) -> bool:
        """Fail as NATS does that is away."""
        raise ServiceUnavailable("nats") from NoRespondersError()


async def without_nats(worker: Worker, agent_id: str) -> str:
    """Add a source while the bus is away; return its id."""
    source = msgspec.structs.replace(long_text(4), agent_id=agent_id)
    cut_off = SourceCalls(
        worker.store,
        worker.index,
        worker.files,
        worker.pages,
        DeafBus(),  # type: ignore[arg-type]  # it only sends
        most_pages=1,
        most_waiting=10,
    )
    with pytest.raises(ServiceUnavailable):
        await cut_off.create(source)
    return source.source_id


async def older(database: Database, source_id: str) -> None:
    """Make a source older than publishing its job takes."""
    before = now() - PUBLISHED_WITHIN - timedelta(seconds=1)
    await database["sources"].update_one({"_id": source_id}, {"$set": {"updated_at": before}})


async def test_a_source_that_was_not_published_is_submitted(
    worker: Worker, database: Database
) -> None:
    """NATS was away for a moment, and rag lives on: no restart is needed, and no second try."""
    source_id = await without_nats(worker, "a1")
    await worker.sources.sweep()
    assert await worker.jobs() == 0  # whoever stored it may be about to publish
    await older(database, source_id)
    await worker.sources.sweep()
    assert await worker.jobs() == 1
    await worker.sources.sweep()
    assert await worker.jobs() == 1


async def test_what_waits_in_line_is_not_submitted_again(
    worker: Worker, database: Database
) -> None:
    """However long it waits: the line must not grow by looking at it."""
    job = await worker.create("a1")
    await older(database, job.source_id)
    await worker.sources.sweep()
    assert await worker.jobs() == 1


async def test_a_deletion_that_was_cut_off_is_finished(worker: Worker) -> None:
    """The process that hid the source died."""
    job = await worker.create("a1")
    await worker.store.hide("a1", job.source_id)
    await worker.sources.sweep()
    assert await worker.store.find(job.source_id) is None


async def test_files_without_a_source_are_removed(worker: Worker, bus: Bus) -> None:
    """Their edge died, or rag was away; files of sources stay, those of old versions too."""
    files = await open_files(bus, 1)
    source = msgspec.structs.replace(file_of_rows(3), agent_id="a1")
    await store_file(bus, source)
    await worker.sources.create(source)
    await files.put("src_nobodys", io.BytesIO(b"x" * 300_000))
    await worker.sources.sweep_files(timedelta(hours=1))
    assert await files.get("src_nobodys", io.BytesIO())
    await worker.sources.sweep_files(NOW)
    assert not await files.get("src_nobodys", io.BytesIO())
    assert await files.get(source.source_id, io.BytesIO())
    assert await files.older_than(NOW) == [source.source_id]


async def test_pieces_of_an_upload_that_was_cut_off_are_removed(worker: Worker, bus: Bus) -> None:
    """An edge was killed in the middle of storing a file; one that is whole stays whole."""
    files = await open_files(bus, 1)
    source = msgspec.structs.replace(file_of_rows(3), agent_id="a1")
    await store_file(bus, source)
    await worker.sources.create(source)
    for _ in range(3):
        await bus.jetstream.publish(f"{PIECES}.cutoff", os.urandom(100_000))
    await worker.sources.sweep_files(timedelta(hours=1))
    assert (await bus.jetstream.stream_info(STREAM)).state.bytes > 300_000
    await worker.sources.sweep_files(NOW)
    assert (await bus.jetstream.stream_info(STREAM)).state.bytes < 100_000
    assert await files.get(source.source_id, io.BytesIO())


async def test_a_file_that_lost_a_piece_is_no_outage(worker: Worker, bus: Bus) -> None:
    """To wait for the rest would hold a worker for ever."""
    await worker.files.put("src_damaged", io.BytesIO(os.urandom(300_000)))
    info = await bus.jetstream.stream_info(STREAM, subjects_filter=f"{PIECES}.>")
    [subject] = info.state.subjects or {}
    await bus.jetstream.purge_stream(STREAM, subject=subject, keep=1)
    assert not await worker.files.get("src_damaged", io.BytesIO())


async def test_what_was_written_of_a_deleted_agent_goes_in_a_sweep(worker: Worker) -> None:
    """A writer died between its write and its look whether the agent is still there."""
    job: SourceSubmitted = await worker.create("a1")
    await worker.store.deleted_agents.add("a1")
    await worker.store.deleted_agents.sweep(worker.sources.forget_agent)
    assert await worker.store.find(job.source_id) is None
