import asyncio
import random
from collections import Counter
from contextlib import AsyncExitStack

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.webhooks.sending.lanes import EndpointBusy, Lanes

SOON = 5.0


async def occupy(stack: AsyncExitStack, lanes: Lanes, endpoint: str, times: int) -> None:
    """Take turns and keep them until the stack closes."""
    for _ in range(times):
        await stack.enter_async_context(lanes.turn(endpoint))


async def take(lanes: Lanes, endpoint: str) -> None:
    """Take a turn and end it."""
    async with asyncio.timeout(SOON), lanes.turn(endpoint):
        pass


async def test_a_full_lane_does_not_block_another() -> None:
    """The second endpoint gets its turn while the first one's are all taken."""
    lanes = Lanes(each=2, waiting_each=1, at_once=10, waiting=10)
    async with AsyncExitStack() as stack:
        await occupy(stack, lanes, "slow", 2)
        await take(lanes, "healthy")


async def test_who_waits_is_next_and_who_finds_no_place_is_turned_away() -> None:
    """One may wait here; the next one is Busy at once; the one that waits gets its turn."""
    lanes = Lanes(each=1, waiting_each=1, at_once=10, waiting=10)
    async with AsyncExitStack() as stack:
        await occupy(stack, lanes, "slow", 1)
        waiting = asyncio.create_task(take(lanes, "slow"))
        await asyncio.sleep(0)
        with pytest.raises(EndpointBusy):
            await take(lanes, "slow")
        assert not waiting.done()
    await waiting


async def test_endpoints_share_the_places_to_wait() -> None:
    """However many wait for however many busy endpoints, one more endpoint finds a place."""
    lanes = Lanes(each=1, waiting_each=100, at_once=100, waiting=400)
    async with AsyncExitStack() as stack:
        waiting = []
        for number in range(20):
            await occupy(stack, lanes, f"slow_{number}", 1)
            waiting += [asyncio.create_task(take(lanes, f"slow_{number}")) for _ in range(100)]
        await asyncio.sleep(0)
        turned_away = [
            one for one in waiting if one.done() and isinstance(one.exception(), EndpointBusy)
        ]
        assert 200 < len(waiting) - len(turned_away) < 380
        await occupy(stack, lanes, "healthy", 1)
        one_more = asyncio.create_task(take(lanes, "healthy"))
        await asyncio.sleep(0)
        assert not one_more.done()
    await one_more
    await asyncio.gather(*waiting, return_exceptions=True)


async def test_endpoints_that_hang_leave_half_of_the_places_to_send() -> None:
    """Once half are taken each endpoint has one at a time, so others find a place at once."""
    lanes = Lanes(each=10, waiting_each=100, at_once=40, waiting=400)
    async with AsyncExitStack() as stack:
        hanging = []
        for number in range(10):
            hanging += [
                asyncio.create_task(stack.enter_async_context(lanes.turn(f"hangs_{number}")))
                for _ in range(10)
            ]
        await asyncio.sleep(0)
        assert sum(one.done() for one in hanging) == 20 + 8
        for number in range(10):
            await take(lanes, f"healthy_{number}")
        for one in hanging:
            one.cancel()
        await asyncio.gather(*hanging, return_exceptions=True)


async def test_an_endpoint_that_times_out_is_sent_less_at_once_until_it_answers() -> None:
    """Halved by every timeout, down to one; one more with every answer."""
    lanes = Lanes(each=8, waiting_each=100, at_once=100, waiting=1000)

    async def most_at_once(times: int) -> int:
        """How many of some deliveries get their turn while none ends."""
        async with AsyncExitStack() as stack:
            tasks = [
                asyncio.create_task(stack.enter_async_context(lanes.turn("slow")))
                for _ in range(times)
            ]
            await asyncio.sleep(0)
            begun = sum(task.done() for task in tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return begun

    async with lanes.turn("slow") as lane:
        lane.timed_out()
        assert await most_at_once(20) == 3  # four, of which this test has one
        lane.timed_out()
        lane.timed_out()
        lane.timed_out()
        assert await most_at_once(20) == 0
        lane.answered()
        assert await most_at_once(20) == 1


async def test_who_waits_is_served_in_turn() -> None:
    """In a crowd the places go round the endpoints, and each endpoint's own order is kept."""
    lanes = Lanes(each=2, waiting_each=100, at_once=2, waiting=400)
    served: list[str] = []

    async def take_and_note(endpoint: str, number: int) -> None:
        async with lanes.turn(endpoint):
            served.append(f"{endpoint}{number}")
            await asyncio.sleep(0)

    tasks = [
        asyncio.create_task(take_and_note(endpoint, number))
        for endpoint in "abc"
        for number in range(4)
    ]
    await asyncio.gather(*tasks)
    for endpoint in "abc":
        own = [one for one in served if one.startswith(endpoint)]
        assert own == sorted(own)
    assert {one[0] for one in served[:5]} == {"a", "b", "c"}


async def test_lanes_are_forgotten_when_they_are_empty() -> None:
    """What came and went leaves nothing behind, the places included."""
    lanes = Lanes(each=1, waiting_each=1, at_once=1, waiting=1)
    for number in range(3):
        await take(lanes, f"endpoint_{number}")
    assert not lanes._lanes
    assert not lanes._lines
    assert not lanes._turns
    assert (lanes._sending, lanes._in_line) == (0, 0)


async def test_closing_stops_who_takes_too_long() -> None:
    """A running turn ends with Busy after the grace; a new one is refused."""
    lanes = Lanes(each=1, waiting_each=1, at_once=1, waiting=1)
    begun = asyncio.Event()

    async def hang() -> None:
        async with lanes.turn("slow"):
            begun.set()
            await asyncio.Event().wait()

    hanging = asyncio.create_task(hang())
    await begun.wait()
    lanes.close(grace=0.05)
    with pytest.raises(EndpointBusy):
        await take(lanes, "healthy")
    async with asyncio.timeout(SOON):
        with pytest.raises(EndpointBusy):
            await hanging


async def test_who_is_turned_away_is_told_when_to_come_again() -> None:
    """One after the other, as the endpoint has taken them so far; at once while that is unknown."""
    lanes = Lanes(each=1, waiting_each=1, at_once=10, waiting=100)

    async def turned_away() -> float:
        with pytest.raises(EndpointBusy) as busy:
            await take(lanes, "slow")
        return busy.value.wait

    async with lanes.turn("slow") as lane:
        waiting = asyncio.create_task(take(lanes, "slow"))
        await asyncio.sleep(0)
        assert await turned_away() < 0.1
        lane.took(2.0)
        assert [round(await turned_away()) for _ in range(3)] == [4, 6, 8]
        for _ in range(5):
            lane.took(0.001)  # it has recovered
        assert await turned_away() < 0.2
    await waiting


async def test_nobody_waits_for_an_endpoint_that_takes_too_long() -> None:
    """Beyond the first: what is far back in line waits in the queue."""
    lanes = Lanes(each=1, waiting_each=100, at_once=10, waiting=1000)
    async with lanes.turn("slow") as lane:
        lane.took(2.0)
        waiting = [asyncio.create_task(take(lanes, "slow")) for _ in range(10)]
        await asyncio.sleep(0)
        busy = [one for one in waiting if one.done() and isinstance(one.exception(), EndpointBusy)]
        assert len(waiting) - len(busy) == 3
    await asyncio.gather(*waiting, return_exceptions=True)


@given(
    seed=st.integers(0, 2**32),
    each=st.integers(1, 4),
    waiting_each=st.integers(1, 5),
    at_once=st.integers(1, 10),
    waiting=st.integers(1, 30),
)
def test_whatever_comes_and_goes_the_bounds_hold_and_nobody_is_forgotten(
    seed: int, each: int, waiting_each: int, at_once: int, waiting: int
) -> None:
    """Turns, timeouts and cancellations in any order: all end, and nothing is left behind."""
    chance = random.Random(seed)
    lanes = Lanes(each=each, waiting_each=waiting_each, at_once=at_once, waiting=waiting)
    sending: Counter[str] = Counter()

    async def deliver(endpoint: str) -> None:
        async with lanes.turn(endpoint) as lane:
            sending[endpoint] += 1
            assert sending[endpoint] <= each
            assert sending.total() <= at_once
            try:
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                sending[endpoint] -= 1
            chance.choice((lane.timed_out, lane.answered))()

    async def all_of_them() -> None:
        tasks = []
        for _ in range(60):
            tasks.append(asyncio.create_task(deliver(chance.choice("abcdef"))))
            if chance.random() < 0.5:
                await asyncio.sleep(0)
            if chance.random() < 0.1:
                chance.choice(tasks).cancel()
        async with asyncio.timeout(SOON):
            ends = await asyncio.gather(*tasks, return_exceptions=True)
        assert {type(end) for end in ends} <= {type(None), EndpointBusy, asyncio.CancelledError}

    asyncio.run(all_of_them())
    assert not lanes._lanes
    assert not lanes._lines
    assert (lanes._sending, lanes._in_line) == (0, 0)


async def test_who_was_stopped_in_line_does_not_disturb_a_lane_made_since() -> None:
    """Stopped, then passed over; before it hears of that the endpoint has a new lane."""
    lanes = Lanes(each=1, waiting_each=5, at_once=10, waiting=100)
    async with AsyncExitStack() as stack:
        await occupy(stack, lanes, "slow", 1)
        stopped = asyncio.create_task(take(lanes, "slow"))
        await asyncio.sleep(0)
        stopped.cancel()
    async with lanes.turn("slow"):
        waiting = asyncio.create_task(take(lanes, "slow"))
        await asyncio.gather(stopped, return_exceptions=True)
        assert list(lanes._lanes) == list(lanes._lines) == ["slow"]
    await waiting


async def test_one_accounts_endpoints_leave_room_for_others() -> None:
    """However many of them hang, and with all that waits for them; what gets free is theirs."""
    lanes = Lanes(
        each=10, waiting_each=10, at_once=20, waiting=40, of_account=5, waiting_of_account=8
    )
    release = asyncio.Event()
    served = 0

    async def hang(endpoint: str) -> None:
        nonlocal served
        async with lanes.turn(endpoint, "hostile"):
            served += 1
            await release.wait()

    hanging = [asyncio.create_task(hang(f"hangs_{number}")) for number in range(30)]
    done, _ = await asyncio.wait(hanging, timeout=0)
    while len(done) < 30 - 5 - 8:  # who finds no place to wait is turned away
        done, _ = await asyncio.wait(hanging, return_when=asyncio.FIRST_COMPLETED)
    assert all(isinstance(task.exception(), EndpointBusy) for task in done)
    assert served == 5
    async with AsyncExitStack() as stack:
        for number in range(10):
            await stack.enter_async_context(lanes.turn(f"healthy_{number}"))
    release.set()
    await asyncio.gather(*hanging, return_exceptions=True)
    assert served == 5 + 8
