"""Waiting for something that must become true."""

import asyncio
import time
from collections.abc import Awaitable, Callable

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
