"""Background loops end with their block."""

import asyncio

from libs.runtime.tasks import background


async def test_a_loop_that_loses_a_cancellation_ends_all_the_same() -> None:
    """The answer to what it waits for comes in the same moment: Python 3.11 forgets the rest."""
    answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    waiting = asyncio.Event()
    went_on = False

    async def loop() -> None:
        nonlocal went_on
        waiting.set()
        await asyncio.wait_for(answer, 60)
        went_on = True
        await asyncio.Event().wait()

    async def block() -> None:
        async with background("test", loop, every=0):
            await waiting.wait()
            await asyncio.sleep(0)
            answer.set_result(None)

    ended, _ = await asyncio.wait([asyncio.create_task(block())], timeout=10)
    assert ended
    assert went_on
