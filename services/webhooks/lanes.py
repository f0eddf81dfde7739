"""Turns to send: so many at once to one endpoint, so that a slow one holds up nobody else.

A delivery whose endpoint is busy waits here, in order, with its claim on the queue renewed. Where
too many wait already it is turned away and goes back to the queue: memory stays bounded, and the
deliveries of other endpoints still find a place.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Busy(Exception):
    """There is no place to wait, or the process is about to stop."""


class _Lane:
    def __init__(self, at_once: int) -> None:
        self.free = asyncio.Semaphore(at_once)
        self.taken = 0


class Lanes:
    """One lane an endpoint, for as long as anybody is in it.

    `each` send at once and `waiting_each` wait in one lane; `at_once` send in all together; nobody
    waits for a busy endpoint while `waiting` or more are in all lanes.
    """

    def __init__(self, *, each: int, waiting_each: int, at_once: int, waiting: int) -> None:
        self._each = each
        self._room_each = each + waiting_each
        self._waiting = waiting
        self._sending = asyncio.Semaphore(at_once)
        self._lanes: dict[str, _Lane] = {}
        self._turns: set[asyncio.Timeout] = set()
        self._closed = False

    @asynccontextmanager
    async def turn(self, endpoint_id: str) -> AsyncIterator[None]:
        """Wait for a turn and have it until the block ends. Raises Busy."""
        async with (
            self._place(endpoint_id) as lane,
            self._until_closed(),
            lane.free,
            self._sending,
        ):
            yield

    def close(self, grace: float) -> None:
        """Take no more; whoever has not ended within `grace` seconds is stopped with Busy."""
        self._closed = True
        deadline = asyncio.get_running_loop().time() + grace
        for turn in self._turns:
            turn.reschedule(deadline)

    @asynccontextmanager
    async def _place(self, endpoint_id: str) -> AsyncIterator[_Lane]:
        lane = self._lanes.setdefault(endpoint_id, _Lane(self._each))
        if self._closed or not self._has_room(lane):
            raise Busy
        lane.taken += 1
        try:
            yield lane
        finally:
            lane.taken -= 1
            if not lane.taken:
                del self._lanes[endpoint_id]

    def _has_room(self, lane: _Lane) -> bool:
        if lane.taken < self._each:
            return True
        return lane.taken < self._room_each and len(self._turns) < self._waiting

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._turns.add(limit)
                yield
        except TimeoutError as error:
            if limit.expired():
                raise Busy from error
            raise
        finally:
            self._turns.discard(limit)
