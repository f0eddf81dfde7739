"""Whose requests wait for whose."""

import asyncio

from services.api.turns import Present, Turns

WAIT = 5.0


async def test_an_account_waits_for_itself_only() -> None:
    """Beside others: two at once of each account; a third waits until one of its own ends."""
    turns = beside_others(2)
    first = turns.of("acc_1")
    await first.acquire_on_behalf_of("a")
    await first.acquire_on_behalf_of("b")
    third = asyncio.create_task(turns.of("acc_1").acquire())
    async with asyncio.timeout(WAIT):
        await turns.of("acc_2").acquire()
    assert not third.done()
    first.release_on_behalf_of("a")
    async with asyncio.timeout(WAIT):
        await third


async def test_who_is_alone_does_not_wait_until_somebody_comes() -> None:
    """Whatever the other asks for: of these turns or of others of the same place."""
    present = Present()
    changes, messages = Turns(1, present), Turns(1, present)
    line = changes.of("acc_1")
    for number in range(20):
        async with asyncio.timeout(WAIT):
            await line.acquire_on_behalf_of(number)
    messages.of("acc_2")
    assert changes.of("acc_1").available_tokens < 0


def beside_others(each: int) -> Turns:
    """Return turns of a place where nobody is alone."""
    present = Present()
    present.is_alone("acc_other")
    return Turns(each, present)
