"""Group commit: what arrives while a write is under way goes into the next one together.

Under no load every write goes out at once and alone; under load one round trip (and one sync to
disk) carries many. So that groups form before the server is busy, the write after one that carried
several begins `interval` seconds later at the earliest.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGEST_GROUP = 200
"""Most items in one write."""


class GroupCommit(Generic[Item, Result]):
    """Calls `commit` with one group after another; under load at most every `interval` seconds.

    `commit` returns one result an item, in order; a result that is an exception is raised to who
    added that item. An exception that it raises goes to all of the group.
    """

    def __init__(
        self,
        commit: Callable[[list[Item]], Awaitable[Sequence[Result | Exception]]],
        *,
        interval: float,
    ) -> None:
        self._commit = commit
        self._interval = interval
        self._next = 0.0
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """Write an item; returns when it is written."""
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._waiting:
                await asyncio.sleep(self._next - loop.time())
                group = self._waiting[:LARGEST_GROUP]
                del self._waiting[:LARGEST_GROUP]
                self._next = loop.time() + self._interval if len(group) > 1 else 0.0
                await self._commit_group(group)
        finally:
            self._running = None

    async def _commit_group(self, group: list[tuple[Item, asyncio.Future[Result]]]) -> None:
        try:
            results = await self._commit([item for item, _ in group])
        except Exception as error:  # whoever waits gets it
            results = [error] * len(group)
        for (_, future), result in zip(group, results, strict=True):
            if future.done():  # its caller was cancelled
                continue
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)
