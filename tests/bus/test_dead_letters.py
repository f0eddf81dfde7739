"""Messages that no worker could handle: seen, put back, dropped."""

from datetime import UTC, datetime, timedelta

import pytest

from libs.bus.bus import Bus
from libs.bus.dead_letters import DeadLetter, DeadLetters
from libs.contracts import subjects
from libs.contracts.queues import CHAT_REQUESTED, SOURCES_SUBMITTED
from tests.support.bus_worker import JOB, Worker
from tests.waiting import eventually


async def all_of(bus: Bus, subject: str = ">") -> list[DeadLetter]:
    """Everything there is."""
    return [letter async for letter in DeadLetters(bus).all(subject)]


async def buried(bus: Bus, worker: Worker, count: int = 1) -> list[DeadLetter]:
    """Let a worker fail at messages until they are dead letters; return these."""
    await worker.start(bus, max_attempts=1)
    for number in range(count):
        await bus.publish(SOURCES_SUBMITTED.subject, JOB, f"job_{number}")

    async def there() -> bool:
        return len(await all_of(bus)) == count

    await eventually(there)
    return await all_of(bus)


async def test_it_says_where_it_was_and_why_it_died(bus: Bus) -> None:
    """Subject, reason, time, content."""
    (letter,) = await buried(bus, Worker(ValueError("no such thing")))
    assert letter.subject == SOURCES_SUBMITTED.subject
    assert "no such thing" in letter.reason
    assert letter.at is not None
    assert b"src_1" in letter.data
    assert await DeadLetters(bus).get(letter.number) == letter


async def test_replayed_it_is_handled_and_gone(bus: Bus) -> None:
    """The worker is repaired meanwhile."""
    worker = Worker(ValueError("broken"))
    (letter,) = await buried(bus, worker)
    await DeadLetters(bus).replay(letter)

    async def handled() -> bool:
        return len(worker.seen) == 2

    await eventually(handled)
    assert worker.seen[-1].message == JOB
    assert await all_of(bus) == []


async def test_a_replay_that_was_interrupted_is_done_once(bus: Bus) -> None:
    """It was put back, and not yet dropped."""
    worker = Worker(ValueError("broken"))
    (letter,) = await buried(bus, worker)
    again = DeadLetter(**vars(letter))
    await DeadLetters(bus).replay(letter)
    await DeadLetters(bus).replay(again)
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "the_last")

    async def handled() -> bool:
        return len(worker.seen) >= 3

    await eventually(handled)
    assert len(worker.seen) == 3


async def test_what_dies_again_is_a_dead_letter_again(bus: Bus) -> None:
    """Replaying without a repair loses nothing."""
    (letter,) = await buried(bus, Worker(ValueError("broken"), ValueError("still broken")))
    await DeadLetters(bus).replay(letter)

    async def back() -> bool:
        return [one.reason for one in await all_of(bus)] == ["ValueError('still broken')"]

    await eventually(back)


async def test_dropped_it_is_gone(bus: Bus) -> None:
    """The others stay."""
    first, second = await buried(bus, Worker(ValueError("1"), ValueError("2")), count=2)
    await DeadLetters(bus).drop(first)
    await DeadLetters(bus).drop(first)
    assert await all_of(bus) == [second]


@pytest.mark.parametrize(("subject", "count"), [("sources.*", 1), ("chat.>", 0)])
async def test_they_are_chosen_by_subject(bus: Bus, subject: str, count: int) -> None:
    """Wildcards as NATS has them."""
    await buried(bus, Worker(ValueError("broken")))
    assert len(await all_of(bus, subject)) == count


def test_an_old_chat_message_is_not_to_be_answered_any_more() -> None:
    """The log would take a second outcome. What is not chat can be replayed at any age."""

    def letter(subject: str, age: timedelta) -> DeadLetter:
        return DeadLetter(1, subject, "", datetime.now(UTC) - age, b"")

    window = timedelta(seconds=subjects.EVENTS.dedupe_window)
    soon, late = window - timedelta(minutes=1), window + timedelta(minutes=1)
    assert not letter(CHAT_REQUESTED.subject, soon).too_old
    assert letter(CHAT_REQUESTED.subject, late).too_old
    assert not letter(SOURCES_SUBMITTED.subject, late).too_old
