"""What becomes of a durable message, on a real NATS server."""

import asyncio
from datetime import timedelta
from itertools import repeat
from typing import Any, cast

import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import OutboundBufferLimitError

from libs.bus.bus import Bus, open_bus
from libs.bus.dead_letters import DeadLetters
from libs.bus.errors import Refused, ServiceUnavailable, TooLarge
from libs.bus.queues import ACK_WAIT, Claim, Delivered, GiveUp, Policy, consume
from libs.contracts import subjects
from libs.contracts.message import encode
from libs.contracts.queues import SOURCES_SUBMITTED
from libs.contracts.sources import SourceSubmitted
from tests.support.bus_worker import JOB, Worker
from tests.waiting import eventually


async def waiting_jobs(bus: Bus) -> int:
    """How many jobs are on the queue, claimed ones included."""
    info = await bus.jetstream.stream_info(subjects.SOURCES.name)
    return info.state.messages


async def emptied(bus: Bus) -> None:
    """Return when no job is left."""

    async def empty() -> bool:
        return await waiting_jobs(bus) == 0

    await eventually(empty)


async def dead_letter(bus: Bus) -> bytes | None:
    """The newest dead letter of the queue."""
    letter = await bus.last(subjects.DEAD, subjects.dead(SOURCES_SUBMITTED.subject))
    return letter.data if letter else None


async def test_a_message_is_published_and_handled_once(bus: Bus) -> None:
    """The same id again is one message; handled, it is gone."""
    worker = Worker()
    assert await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    assert not await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus)
    await emptied(bus)
    assert worker.seen == [Delivered(JOB, 1)]


async def test_an_error_is_tried_again(bus: Bus) -> None:
    """The second delivery is numbered so, and succeeds."""
    worker = Worker(ValueError("once"))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus)
    await emptied(bus)
    assert [delivered.attempt for delivered in worker.seen] == [1, 2]
    assert await dead_letter(bus) is None


async def test_a_message_that_always_fails_becomes_a_dead_letter(bus: Bus) -> None:
    """It is given up, kept for an operator, and never in a loop."""
    worker = Worker(ValueError("one"), ValueError("two"), ValueError("three"))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus, max_attempts=2)
    await emptied(bus)
    assert len(worker.seen) == 2
    assert worker.given_up == [Delivered(JOB, 2)]
    assert b"src_1" in (await dead_letter(bus) or b"")


async def test_a_message_that_can_not_be_read_becomes_a_dead_letter(bus: Bus) -> None:
    """No handler sees it, and what comes behind it is handled."""
    worker = Worker()
    await bus.jetstream.publish(SOURCES_SUBMITTED.subject, b"not JSON")
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus)
    await emptied(bus)
    assert worker.seen == [Delivered(JOB, 1)]
    assert await dead_letter(bus) == b"not JSON"


async def test_an_outage_uses_up_no_attempt(bus: Bus) -> None:
    """While a server is away the handler is tried again in place, on the same delivery."""
    worker = Worker(*[ServiceUnavailable("mongo")] * 3)
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus, max_attempts=1)
    await emptied(bus)
    assert [delivered.attempt for delivered in worker.seen] == [1] * 4
    assert worker.given_up == []


def forgotten(delivery: int) -> Msg:
    """The same message once more: NATS has lost how it was acknowledged."""
    reply = f"$JS.ACK.{subjects.SOURCES.name}.worker.{delivery}.1.{delivery}.0.0"
    return Msg(Unheard(), SOURCES_SUBMITTED.subject, reply, encode(JOB))


class Unheard(Client):
    """A connection on which nothing arrives."""

    async def publish(self, *_: Any, **__: Any) -> None:
        """Lose it."""


async def test_lost_acknowledgements_use_up_no_attempt(bus: Bus) -> None:
    """A message that was handled each time never dies here; where it never was, the count holds."""
    worker, elsewhere = Worker(), Worker()
    here = Policy(bus, SourceSubmitted, worker.handle, None, 2, timedelta.max, None)
    for delivery in range(1, 10):
        await here.apply(Claim(bus, forgotten(delivery)))
    assert len(worker.seen) == 9
    assert await dead_letter(bus) is None
    other = Policy(bus, SourceSubmitted, elsewhere.handle, None, 2, timedelta.max, None)
    await other.apply(Claim(bus, forgotten(10)))
    assert elsewhere.seen == []
    assert b"src_1" in (await dead_letter(bus) or b"")


@pytest.mark.parametrize("error", [TooLarge("events", 2, 1), Refused("no")])
async def test_what_is_refused_for_good_is_given_up_at_once(bus: Bus, error: Exception) -> None:
    """Trying it again, in place or later, would end the same."""
    worker = Worker(*repeat(error, 50))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus, max_attempts=6)
    await emptied(bus)
    assert worker.given_up == [Delivered(JOB, 1)]
    assert len(worker.seen) == 1
    assert b"src_1" in (await dead_letter(bus) or b"")


async def test_a_message_that_can_not_be_given_up_dies_all_the_same(bus: Bus) -> None:
    """What is sent for it may be refused as well: it must not come again for ever."""
    worker = Worker(Refused("no"), given_up_with=Refused("neither"))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus)
    await emptied(bus)
    assert len(worker.given_up) == 1
    assert await dead_letter(bus) is not None


async def test_an_outage_is_not_waited_for_when_nobody_waits(bus: Bus) -> None:
    """The message ended otherwise meanwhile: its slot is free, and there is no dead letter."""
    worker = Worker(*repeat(ServiceUnavailable("mongo"), 50))
    worker.over = True
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus)
    await emptied(bus)
    assert len(worker.seen) == 1
    assert worker.given_up == []
    assert await dead_letter(bus) is None


async def test_an_outage_is_waited_for_as_long_as_the_stream_keeps_messages(bus: Bus) -> None:
    """Then the message is given up, though nothing is wrong with it."""
    worker = Worker(*repeat(ServiceUnavailable("mongo"), 50))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus, max_age=0.3)
    await emptied(bus)
    assert len(worker.seen) < 10
    assert len(worker.given_up) == 1
    assert await dead_letter(bus) is not None


async def test_a_dead_letter_always_fits(bus: Bus) -> None:
    """Also of a message of the largest size there is; then not whole, so it is not put back."""
    data = b"x" * (bus.client.max_payload - 20)
    await bus.jetstream.publish(SOURCES_SUBMITTED.subject, data)
    await Worker().start(bus)
    await emptied(bus)
    [letter] = [one async for one in DeadLetters(bus).all()]
    assert data.startswith(letter.data)
    assert not letter.whole
    with pytest.raises(Refused):
        await DeadLetters(bus).replay(letter)


async def test_why_it_died_is_one_line(bus: Bus) -> None:
    """A reason quotes what came from anywhere; it goes into a header."""
    worker = Worker(ValueError("a\r\nNats-Rollup: all\r\n\u20b1" + "x" * 5_000))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus, max_attempts=1)
    await emptied(bus)
    [letter] = [one async for one in DeadLetters(bus).all()]
    assert "\n" not in letter.reason
    assert letter.whole


async def test_a_slow_handler_and_who_waits_behind_it_keep_their_claims(bus: Bus) -> None:
    """Nothing is delivered a second time while the first takes longer than a claim lasts."""
    worker = Worker(slow=ACK_WAIT * 1.5)
    for number in range(3):
        await bus.publish(SOURCES_SUBMITTED.subject, JOB, f"job_{number}")
    await worker.start(bus)
    await emptied(bus)
    assert [delivered.attempt for delivered in worker.seen] == [1, 1, 1]


async def test_a_full_worker_leaves_the_rest_to_others(bus: Bus, empty_nats_url: str) -> None:
    """Its slots are taken for long: another process does what is waiting."""
    busy, idle = Worker(slow=ACK_WAIT), Worker()
    for number in range(6):
        await bus.publish(SOURCES_SUBMITTED.subject, JOB, f"job_{number}")
    await busy.start(bus)
    await eventually_seen(busy, 1)
    async with open_bus(empty_nats_url, "other") as other:
        await idle.start(other)
        await eventually_seen(idle, 4)
    assert len(busy.seen) == 1


async def eventually_seen(worker: Worker, count: int) -> None:
    """Wait until a worker saw so many messages."""

    async def seen() -> bool:
        return len(worker.seen) >= count

    await eventually(seen, timeout=ACK_WAIT)


class Unwilling:
    """A connection that can't take the first request for messages."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self.refused = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Fail once, then do as asked."""
        if "MSG.NEXT" in subject and not self.refused:
            self.refused = True
            raise OutboundBufferLimitError
        await self._client.publish(subject, data, reply)


async def test_a_request_that_could_not_be_sent_is_sent_again(bus: Bus) -> None:
    """A worker does not stop for good because its connection was too busy once."""
    client = Unwilling(bus.client)
    bus.client = cast("Client", client)
    worker = Worker()
    await worker.start(bus)
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")

    async def seen() -> bool:
        return len(worker.seen) == 1

    await eventually(seen, timeout=10)
    assert client.refused


async def test_a_message_is_not_kept_back(bus: Bus) -> None:
    """Each is handled as it comes, however the request for messages before it ended."""
    worker = Worker()
    await worker.start(bus, slots=500)

    async def submit(count: int) -> None:
        begun = len(worker.seen)
        numbers = range(begun, begun + count)
        await asyncio.gather(
            *(bus.publish(SOURCES_SUBMITTED.subject, JOB, f"job_{number}") for number in numbers)
        )

        async def all_seen() -> bool:
            return len(worker.seen) == begun + count

        await eventually(all_seen, timeout=2)

    for _ in range(200):
        await submit(8)
    for _ in range(100):
        await submit(1)


async def test_a_message_in_hand_is_not_handed_out_again(bus: Bus) -> None:
    """Its claim is lost while its handler runs: that goes on, nobody else begins, it ends once."""
    seen: list[str] = []
    go_on = asyncio.Event()

    async def handle(delivered: Delivered[SourceSubmitted]) -> None:
        seen.append(delivered.message.source_id)
        if delivered.message == JOB:
            await go_on.wait()

    consume(bus, SOURCES_SUBMITTED, handle, by="test", slots=2)
    await bus.start()
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")

    async def begun() -> bool:
        return seen == ["src_1"]

    await eventually(begun)
    number = (await bus.jetstream.stream_info("SOURCES")).state.last_seq
    # As the server does it to itself when ACK_WAIT is over.
    durable = SOURCES_SUBMITTED.durable("test")
    await bus.client.publish(f"$JS.ACK.SOURCES.{durable}.1.{number}.1.0.0", b"-NAK")

    async def delivered_again() -> bool:
        return bool((await bus.jetstream.consumer_info("SOURCES", durable)).num_redelivered)

    await eventually(delivered_again)
    for other in ("src_2", "src_3"):
        await bus.publish(
            SOURCES_SUBMITTED.subject, SourceSubmitted(agent_id="a", source_id=other), other
        )

    async def both() -> bool:
        return seen == ["src_1", "src_2", "src_3"]

    await eventually(both)
    go_on.set()
    await emptied(bus)
    assert seen == ["src_1", "src_2", "src_3"]


async def test_a_handler_that_gives_up(bus: Bus) -> None:
    """It is not tried again."""
    worker = Worker(GiveUp("of no use"))
    await bus.publish(SOURCES_SUBMITTED.subject, JOB, "job_1")
    await worker.start(bus, max_attempts=5)
    await emptied(bus)
    assert worker.given_up == [Delivered(JOB, 1)]
    assert b"src_1" in (await dead_letter(bus) or b"")
