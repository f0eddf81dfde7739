"""Deletions that cross an ingestion, at every point where it may stand."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from libs.bus.bus import Bus
from libs.bus.queues import Delivered
from libs.contracts.events import MessageFailed, SourceFailed
from libs.contracts.message import decode
from libs.contracts.sources import DeleteSource, GetSource, SourceSubmitted
from services.rag.index.embedded import EmbeddedIndex
from services.rag.index.interface import Chunk
from services.rag.search.chat import Chat
from services.rag.sources.calls import SourceCalls
from services.rag.sources.ingest import GAVE_UP
from tests.rag.service import agent_deleted, chat_request
from tests.rag.worker import Worker


class AbsentIndex(EmbeddedIndex):
    """An index that can't be reached when a source is to be removed from it."""

    def __init__(self) -> None:
        pass

    async def delete_source(self, source_id: str) -> None:
        """Fail as a server does that is away."""
        raise ConnectionError(source_id)


async def delete_source(worker: Worker, job: SourceSubmitted) -> None:
    """Delete the source of a job."""
    await worker.sources.delete(DeleteSource(agent_id=job.agent_id, source_id=job.source_id))


async def delete_agent(worker: Worker, job: SourceSubmitted) -> None:
    """Delete the agent of a job."""
    await worker.sources.delete_agent(Delivered(agent_deleted(job.agent_id), 1))


Deletion = Callable[[Worker, SourceSubmitted], Awaitable[None]]
each_deletion = pytest.mark.parametrize("delete", [delete_source, delete_agent])


@each_deletion
async def test_a_running_ingestion_stops_and_leaves_nothing(
    worker: Worker, delete: Deletion
) -> None:
    """What the job puts into the index after the deletion is removed by the job itself."""
    job = await worker.create("a1")
    running = await worker.begin(job)
    await delete(worker, job)
    assert await worker.index.count("a1") == 0
    worker.embedder.go_on.set()
    await running
    assert await worker.index.count("a1") == 0
    assert await worker.store.find(job.source_id) is None
    assert worker.embedder.batches == 2  # it did not go on to the end in vain


@each_deletion
async def test_a_job_whose_worker_died_leaves_nothing(worker: Worker, delete: Deletion) -> None:
    """Chunks that a dying worker wrote after the deletion go when the job is redelivered."""
    job = await worker.create("a1")
    running = await worker.begin(job)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await delete(worker, job)
    late = Chunk(
        agent_id="a1", source_id=job.source_id, number=3, kind="text", title="", text="late"
    )
    await worker.index.put([late], [[1.0, 0.0]])
    await worker.ingestion.ingest(Delivered(job, 2))
    assert await worker.index.count("a1") == 0


async def test_a_deletion_that_was_cut_off_is_finished(worker: Worker) -> None:
    """A process that died after hiding a source leaves it to a job of the next start.

    That job counts although the source was submitted, as a new one, only just before.
    """
    job = await worker.create("a1")
    worker.embedder.go_on.set()
    await worker.ingestion.ingest(Delivered(job, 1))
    assert await worker.store.hide("a1", job.source_id)
    assert await worker.store.get("a1", job.source_id) is None
    assert await worker.jobs() == 1
    await worker.sources.submit_unfinished()
    assert await worker.jobs() == 2
    await worker.ingestion.ingest(Delivered(job, 1))
    assert await worker.index.count("a1") == 0
    assert [one async for one in worker.store.unfinished()] == []


async def test_a_deletion_without_the_index_is_a_job(worker: Worker) -> None:
    """When the chunks can't be removed now, nobody sees the source and a job removes them."""
    job = await worker.create("a1")
    worker.embedder.go_on.set()
    await worker.ingestion.ingest(Delivered(job, 1))
    cut_off = SourceCalls(
        worker.store,
        AbsentIndex(),
        worker.files,
        worker.pages,
        worker.bus,
        most_pages=1,
        most_waiting=10,
    )
    with pytest.raises(ConnectionError):
        await cut_off.delete(DeleteSource(agent_id="a1", source_id=job.source_id))
    assert await worker.store.get("a1", job.source_id) is None
    assert await worker.jobs() == 2
    await worker.ingestion.ingest(Delivered(job, 1))
    assert await worker.index.count("a1") == 0
    assert await worker.store.find(job.source_id) is None


async def test_fewer_chunks_than_the_attempt_before(worker: Worker) -> None:
    """Chunks of an attempt that cut the text into more pieces are not left behind."""
    job = await worker.create("a1")
    stale = Chunk(
        agent_id="a1", source_id=job.source_id, number=500, kind="text", title="", text="stale"
    )
    before = await worker.sources.get(GetSource(agent_id="a1", source_id=job.source_id))
    taken = await worker.store.take(before, "an attempt before")
    assert taken is not None
    assert await worker.store.begin(taken, "cut otherwise", 501, 500)
    await worker.index.put([stale], [[1.0, 0.0]])
    worker.embedder.go_on.set()
    await worker.ingestion.ingest(Delivered(job, 2))
    found = await worker.store.find(job.source_id)
    assert found is not None
    assert await worker.index.count("a1") == found.source.chunks


async def test_giving_up_a_source_is_visible(worker: Worker) -> None:
    """A source that can't be indexed ends as failed, with a reason and nothing in the index."""
    events = await worker.bus.client.subscribe("events.source.failed.*")
    job = await worker.create("a1")
    running = await worker.begin(job)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await worker.ingestion.give_up(Delivered(job, 6))
    failed = decode((await events.next_msg(timeout=5)).data, SourceFailed)
    assert (failed.source_id, failed.message) == (job.source_id, GAVE_UP)
    found = await worker.store.get("a1", job.source_id)
    assert found is not None
    assert (found.status, found.error, found.chunks) == ("failed", GAVE_UP, 0)
    assert await worker.index.count("a1") == 0


async def test_giving_up_a_question_is_visible(bus: Bus) -> None:
    """A message that can't be grounded ends as failed on the log, once."""
    events = await bus.client.subscribe("events.message.failed.*")
    request = chat_request("a1", "Open?")
    chat = Chat(bus, retriever=None)  # type: ignore[arg-type]  # giving up retrieves nothing
    await chat.give_up(Delivered(request, 6))
    await chat.give_up(Delivered(request, 7))
    failed = decode((await events.next_msg(timeout=5)).data, MessageFailed)
    assert (failed.message_id, failed.code, failed.edge) == (
        request.message_id,
        "service_unavailable",
        "edge1",
    )
    await events.unsubscribe()  # a drain would wait for the second publication to be read
    log = await bus.jetstream.stream_info("EVENTS")
    assert log.state.messages == 1
