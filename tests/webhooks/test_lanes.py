import asyncio
from contextlib import AsyncExitStack

import pytest

from services.webhooks.lanes import Busy, Lanes

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
        with pytest.raises(Busy):
            await take(lanes, "slow")
        assert not waiting.done()
    await waiting


async def test_nobody_waits_when_all_lanes_together_are_full() -> None:
    """The common bound leaves room for endpoints that are not busy."""
    lanes = Lanes(each=1, waiting_each=10, at_once=10, waiting=2)
    async with AsyncExitStack() as stack:
        await occupy(stack, lanes, "slow", 1)
        await occupy(stack, lanes, "slower", 1)
        with pytest.raises(Busy):
            await take(lanes, "slow")
        await take(lanes, "healthy")


async def test_lanes_are_forgotten_when_they_are_empty() -> None:
    """What came and went leaves nothing behind, the places included."""
    lanes = Lanes(each=1, waiting_each=1, at_once=1, waiting=1)
    for number in range(3):
        await take(lanes, f"endpoint_{number}")
    assert not lanes._lanes
    assert not lanes._turns


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
    with pytest.raises(Busy):
        await take(lanes, "healthy")
    async with asyncio.timeout(SOON):
        with pytest.raises(Busy):
            await hanging
