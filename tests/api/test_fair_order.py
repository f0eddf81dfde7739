"""Whose requests wait for whose."""

import asyncio
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any

from services.api.edge.fair_order import ChangesInFairOrder, FairOrder, Present
from tests.waiting import eventually

WAIT = 5.0


async def test_an_account_waits_for_itself_only() -> None:
    """Beside others: two at once of each account; a third waits until one of its own ends."""
    fair = beside_others(2)
    first = fair.of("acc_1")
    await first.acquire_on_behalf_of("a")
    await first.acquire_on_behalf_of("b")
    third = asyncio.create_task(fair.of("acc_1").acquire())
    async with asyncio.timeout(WAIT):
        await fair.of("acc_2").acquire()
    assert not third.done()
    first.release_on_behalf_of("a")
    async with asyncio.timeout(WAIT):
        await third


async def test_who_is_alone_does_not_wait_until_somebody_comes() -> None:
    """Whatever the other asks for: of these turns or of others of the same place."""
    present = Present()
    changes, messages = FairOrder(1, present), FairOrder(1, present)
    line = changes.of("acc_1")
    for number in range(20):
        async with asyncio.timeout(WAIT):
            await line.acquire_on_behalf_of(number)
    messages.of("acc_2")
    assert changes.of("acc_1").available_tokens < 0


async def test_a_slow_body_takes_no_turn() -> None:
    """A change waits for its turn with its body there, so that a slow one holds up no other."""
    handled: list[str] = []

    async def app(scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        handled.append(scope["path"])

    middleware = ChangesInFairOrder(app, beside_others(1))
    rest = asyncio.Event()
    slow = asyncio.create_task(change(middleware, "/slow", rest.wait))
    async with asyncio.timeout(WAIT):
        await change(middleware, "/quick")
    assert handled == ["/quick"]
    rest.set()
    await slow
    assert handled == ["/quick", "/slow"]


async def test_changes_of_one_account_come_one_after_the_other() -> None:
    """With a body or without one."""
    at_work: list[str] = []
    go_on = asyncio.Event()

    async def app(scope: Any, receive: Any, _send: Any) -> None:
        while (await receive())["more_body"]:
            pass
        at_work.append(scope["path"])
        await go_on.wait()

    async def begun() -> bool:
        return bool(at_work)

    middleware = ChangesInFairOrder(app, beside_others(1))
    for length in (b"0", b"4"):
        at_work.clear()
        go_on.clear()
        tasks = [
            asyncio.create_task(change(middleware, str(number), length=length))
            for number in range(3)
        ]
        await eventually(begun)
        for _ in range(100):
            await asyncio.sleep(0)
        assert len(at_work) == 1
        go_on.set()
        await asyncio.gather(*tasks)
        assert len(at_work) == 3


def beside_others(each: int) -> FairOrder:
    """Return the order of a place where nobody is alone."""
    present = Present()
    present.is_alone("acc_other")
    return FairOrder(each, present)


async def change(
    app: Any,
    path: str,
    rest: Callable[[], Awaitable[object]] | None = None,
    length: bytes = b"4",
) -> None:
    """Send a POST of an account; `rest` is awaited before the second half of its body."""
    parts = [(b"ab", True), (b"cd", False)] if length != b"0" else [(b"", False)]

    async def receive() -> dict[str, Any]:
        body, more = parts.pop(0)
        if not more and rest:
            await rest()
        return {"type": "http.request", "body": body, "more_body": more}

    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "headers": [(b"content-length", length)],
        "user": SimpleNamespace(account=SimpleNamespace(id="acc_1")),
        "route_handler": SimpleNamespace(opt={}),
    }
    await app(scope, receive, None)
