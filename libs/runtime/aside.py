"""Work on a text of others, off the event loop when it is long enough to hold that up."""

import asyncio
from collections.abc import Callable
from typing import ParamSpec, TypeVar

INLINE = 4_000
"""Characters that are worked on at once: what a thread costs is more."""

P = ParamSpec("P")
T = TypeVar("T")


async def aside(characters: int, work: Callable[P, T], *args: P.args, **named: P.kwargs) -> T:
    """Return what `work` makes of a text of so many characters; a long one has a thread.

    Threads share the processor with the loop, so the work must be bounded all the same.
    """
    if characters <= INLINE:
        return work(*args, **named)
    return await asyncio.to_thread(work, *args, **named)
