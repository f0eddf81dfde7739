"""A client that asks again and again after it was refused."""

import asyncio

from services.api.http.slow_down import Refusals


async def told_at_once(refusals: Refusals, client: str, times: int) -> int:
    """How many of so many refusals, all at the same time, are not held back."""
    telling = [asyncio.create_task(refusals.hold_back(client)) for _ in range(times)]
    done, waiting = await asyncio.wait(telling, timeout=0.3)
    for task in waiting:
        task.cancel()
    return len(done)


async def test_many_refusals_are_held_back() -> None:
    """The first ones are told at once, the others wait; another client is not touched."""
    refusals = Refusals(at_once=5)
    assert await told_at_once(refusals, "key_1", 30) == 5
    assert await told_at_once(refusals, "key_1", 1) == 0
    assert await told_at_once(refusals, "key_2", 5) == 5


async def test_a_client_that_pauses_is_told_at_once_again() -> None:
    """What is held back is held back for a second."""
    refusals = Refusals(at_once=1)
    await refusals.hold_back("key_1")
    async with asyncio.timeout(5):
        await refusals.hold_back("key_1")  # waits as long as it takes to be forgotten
    assert await told_at_once(refusals, "key_1", 1) == 1
