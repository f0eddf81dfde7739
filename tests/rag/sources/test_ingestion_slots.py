"""Slots to index: one account's sources, however many and long, hold up nobody else's."""

import asyncio

import pytest

from libs.bus.errors import FaultError
from libs.bus.queues import Delivered, TakenOver
from services.rag.sources.slots import IngestionSlot, IngestionSlots
from tests.rag.worker import MOST_WAITING, Worker


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(20):
        await asyncio.sleep(0)


class Job:
    """A source of an account that takes so many steps; `log` notes each."""

    def __init__(self, slots: IngestionSlots, log: list[str], account: str, steps: int) -> None:
        self.go = asyncio.Event()
        self.task = asyncio.create_task(self._run(slots, log, account, steps))

    async def _run(self, slots: IngestionSlots, log: list[str], account: str, steps: int) -> None:
        async with slots.of(account) as slot:
            for _ in range(steps):
                await self._step(slot)
                log.append(account)

    async def _step(self, slot: IngestionSlot) -> None:
        await slot.pass_on()
        await self.go.wait()


async def test_an_account_never_has_all_turns() -> None:
    """Of three it has two: whoever comes then begins at once."""
    slots, log = IngestionSlots(3), list[str]()
    long = [Job(slots, log, "a", 5) for _ in range(10)]
    await settled()
    other = Job(slots, log, "b", 1)
    other.go.set()
    await other.task
    assert log == ["b"]
    for job in long:
        job.go.set()
    await asyncio.gather(*(job.task for job in long))
    assert log.count("a") == 50


async def test_a_long_one_gives_its_turn_away() -> None:
    """With one slot for all, another account's goes between two steps of a long one."""
    slots, log = IngestionSlots(1), list[str]()
    long = Job(slots, log, "a", 1_000)
    await settled()
    short = [Job(slots, log, account, 1) for account in "bc"]
    for job in (long, *short):
        job.go.set()
    await asyncio.gather(*(job.task for job in short))
    await long.task
    assert max(log.index("b"), log.index("c")) < 10
    assert log.count("a") == 1_000


@pytest.mark.parametrize("cancelled", ["waiting", "working", "passing on"])
async def test_who_is_cancelled_leaves_no_turn_behind(cancelled: str) -> None:
    """However far it was, the others have all slots afterwards."""
    slots, log = IngestionSlots(1), list[str]()
    first, second = Job(slots, log, "a", 3), Job(slots, log, "b", 3)
    if cancelled == "passing on":
        first.go.set()
    await settled()
    (second if cancelled == "waiting" else first).task.cancel()
    await settled()
    third = Job(slots, log, "c", 1)
    for job in (first, second, third):
        job.go.set()
    await asyncio.wait_for(third.task, 10)
    await asyncio.gather(first.task, second.task, return_exceptions=True)
    again = Job(slots, log, "a", 1)
    again.go.set()
    await asyncio.wait_for(again.task, 10)


async def test_a_later_delivery_of_a_job_takes_over(worker: Worker) -> None:
    """What lost it stops at its next step and leaves the message alone; chunks never go back."""
    job = await worker.create("a1")
    running = await worker.begin(job)
    before = await worker.store.find(job.source_id)
    assert before is not None
    later = await worker.store.take(before.source, "")
    assert later is not None
    assert not await worker.store.advance(before, 0)
    assert await worker.store.advance(later, 2)
    worker.embedder.go_on.set()
    with pytest.raises(TakenOver):
        await running
    await worker.ingestion.ingest(Delivered(job, 2))
    found = await worker.store.find(job.source_id)
    assert found is not None
    assert found.source.status == "ready"
    assert found.source.chunks == await worker.index.count("a1")


async def test_an_account_has_so_many_in_work(worker: Worker) -> None:
    """One more is refused until some are done; what waits already is answered all the same."""
    jobs = [await worker.create(f"a{number}") for number in range(MOST_WAITING)]
    with pytest.raises(FaultError) as refused:
        await worker.create("another")
    assert refused.value.fault.code == "too_many"
    assert (await worker.create("a1")).source_id == jobs[1].source_id
    worker.embedder.go_on.set()
    await worker.ingestion.ingest(Delivered(jobs[0], 1))
    await worker.create("another")
