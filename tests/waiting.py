"""Waiting for something that must become true."""

import asyncio
import time
from collections.abc import Awaitable, Callable

from libs.bus.bus import Bus
from libs.contracts import subjects

TIMEOUT = 60.0


async def eventually(
    condition: Callable[[], Awaitable[bool]], timeout: float = TIMEOUT, interval: float = 0.02
) -> None:
    """Return as soon as the condition holds; fail when it does not within `timeout` seconds."""
    deadline = time.monotonic() + timeout
    while not await condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {timeout} s")
        await asyncio.sleep(interval)


async def nothing_waits(bus: Bus) -> bool:
    """Whether every consumer of every stream has done all of its work."""
    for stream in (subjects.CHAT, subjects.EVENTS, subjects.SOURCES, subjects.DELIVERIES):
        for consumer in await bus.jetstream.consumers_info(stream.name):
            if consumer.num_pending or consumer.num_ack_pending:
                return False
    return True
