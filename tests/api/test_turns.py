import asyncio

from services.api.turns import Turns


async def test_an_account_waits_for_itself_only() -> None:
    """Two at once of each account; a third waits until one of its own ends."""
    turns = Turns(2)
    first = turns.of("acc_1")
    await first.acquire()
    await first.acquire()
    third = asyncio.create_task(turns.of("acc_1").acquire())
    async with asyncio.timeout(1):
        await turns.of("acc_2").acquire()
    assert not third.done()
    first.release()
    async with asyncio.timeout(1):
        await third
