"""Turns to send: so many at once to one endpoint, so that a slow one holds up nobody else.

A delivery whose endpoint is busy waits here, in order, with its claim on the queue renewed. Where
too many wait already it is turned away and goes back to the queue: memory stays bounded, and the
deliveries of other endpoints still find a place.

See docs/decisions/webhooks-lanes.md for how the places are shared.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from weakref import WeakValueDictionary

SHARE = 0.1
"""How much of the free places to wait one endpoint may have. With many that hang, all of them
together leave some free, however many they are.
"""


PATIENCE = 5.0
"""Seconds that one is let wait here, by what the endpoint's last answers took. Claims are renewed
while they wait, so that a backlog is cheaper in its queue.
"""
NEWEST = 0.2
"""Weight of the newest answer in the mean of how long they take."""
NEWEST_RECOVERED = 0.5
"""The same when it came much sooner than that."""


class EndpointBusy(Exception):
    """There is no place to wait, for `wait` seconds perhaps, or the process is about to stop."""

    def __init__(self, wait: float = 0.0) -> None:
        super().__init__(f"for {wait:.1f} s")
        self.wait = wait


@dataclass
class AccountLoad:
    """How many deliveries to all endpoints of one account are sent, and how many wait."""

    sending: int = 0
    waiting: int = 0


class Lane:
    """The deliveries of one endpoint that are here: those that are sent and those that wait."""

    def __init__(self, at_once: int, account: "AccountLoad") -> None:
        self.account = account
        self._most = at_once
        self.limit = at_once
        self.sending = 0
        self.waiting: deque[asyncio.Future[None]] = deque()
        self._took = 0.0
        self._free_at = 0.0

    @property
    def backlog(self) -> float:
        """Seconds until one more that waits here would have its turn."""
        return len(self.waiting) * self._took / self.limit

    def turn_away(self, at: float) -> float:
        """Return when, in seconds from now, one that finds no place should come again.

        Each gets a time of its own, behind those that were turned away before it: so a long backlog
        comes as the endpoint takes it, not all of it again and again.
        """
        self._free_at = max(self._free_at, at + self.backlog) + self._took / self.limit
        return self._free_at - at

    def took(self, seconds: float) -> None:
        """Note how long a turn took."""
        if seconds < self._took / 2:  # it has recovered: what was planned is for a slower one
            self._free_at = 0.0
            newest = NEWEST_RECOVERED
        else:
            newest = NEWEST if self._took else 1.0
        self._took += newest * (seconds - self._took)

    def timed_out(self) -> None:
        """Halve how many are sent at once: each held its place for the whole of the timeout."""
        self.limit = max(1, self.limit // 2)

    def answered(self) -> None:
        """Send one more at once, up to what there was."""
        self.limit = min(self._most, self.limit + 1)


class Lanes:
    """One lane an endpoint, for as long as anybody is in it.

    `each` send at once and `waiting_each` wait in one lane; `at_once` send and `waiting` wait in
    all together, `of_account` and `waiting_of_account` of these in all lanes of one account. Once
    half of all places to send are taken, an endpoint gets one at a time.
    """

    def __init__(
        self,
        *,
        each: int,
        waiting_each: int,
        at_once: int,
        waiting: int,
        of_account: int | None = None,
        waiting_of_account: int | None = None,
    ) -> None:
        self._of_account = of_account or at_once
        self._waiting_of_account = waiting_of_account or waiting
        self._accounts: WeakValueDictionary[str, AccountLoad] = WeakValueDictionary()
        self._each = each
        self._waiting_each = waiting_each
        self._at_once = at_once
        self._waiting = waiting
        self._sending = 0
        self._in_line = 0
        self._lanes: dict[str, Lane] = {}
        self._lines: dict[str, Lane] = {}
        """The lanes in which somebody waits; the one whose turn it is first."""
        self._turns: set[asyncio.Timeout] = set()
        self._closed = False

    @asynccontextmanager
    async def turn(self, endpoint_id: str, account_id: str = "") -> AsyncIterator[Lane]:
        """Wait for a turn and have it until the block ends. Raises Busy.

        An endpoint of which no account is known is its own.
        """
        if self._closed:
            raise EndpointBusy
        async with self._until_closed():
            lane = await self._enter(endpoint_id, account_id or endpoint_id)
            clock = asyncio.get_running_loop().time
            begun = clock()
            try:
                yield lane
            finally:
                lane.took(clock() - begun)
                self._leave(endpoint_id, lane)

    def close(self, grace: float) -> None:
        """Take no more; whoever has not ended within `grace` seconds is stopped with Busy."""
        self._closed = True
        deadline = asyncio.get_running_loop().time() + grace
        for turn in self._turns:
            turn.reschedule(deadline)

    def _account(self, account_id: str) -> AccountLoad:
        account = self._accounts.get(account_id)
        if account is None:
            account = self._accounts[account_id] = AccountLoad()
        return account

    async def _enter(self, endpoint_id: str, account_id: str) -> Lane:
        lane = self._lanes.get(endpoint_id) or Lane(self._each, self._account(account_id))
        if not lane.waiting and self._may_send(lane):
            self._lanes[endpoint_id] = lane
            self._begin(lane)
            return lane
        if not self._may_wait(lane):
            raise EndpointBusy(lane.turn_away(asyncio.get_running_loop().time()))
        self._lanes[endpoint_id] = self._lines[endpoint_id] = lane
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        lane.waiting.append(turn)
        self._in_line += 1
        lane.account.waiting += 1
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                if turn in lane.waiting:
                    lane.waiting.remove(turn)
                    self._in_line -= 1
                    lane.account.waiting -= 1
                self._tidy(endpoint_id, lane)
            else:  # it was this one's turn already
                self._leave(endpoint_id, lane)
            raise
        return lane

    def _may_send(self, lane: Lane) -> bool:
        if self._sending >= self._at_once or lane.sending >= lane.limit:
            return False
        if lane.account.sending >= self._of_account:
            return False
        return lane.sending == 0 or self._sending * 2 < self._at_once

    def _may_wait(self, lane: Lane) -> bool:
        waiting, free = len(lane.waiting), self._waiting - self._in_line
        if lane.account.waiting >= self._waiting_of_account:
            return False
        if not waiting:
            return free > 0
        return waiting < min(self._waiting_each, SHARE * free) and lane.backlog < PATIENCE

    def _begin(self, lane: Lane) -> None:
        lane.sending += 1
        lane.account.sending += 1
        self._sending += 1

    def _leave(self, endpoint_id: str, lane: Lane) -> None:
        full = lane.account.sending >= self._of_account
        crowded = full or self._sending * 2 >= self._at_once
        lane.sending -= 1
        lane.account.sending -= 1
        self._sending -= 1
        if crowded:  # others may have waited for this one's place, not for an end in their lane
            for waiting_id, waiting in list(self._lines.items()):
                if self._sending >= self._at_once:
                    break
                self._next(waiting_id, waiting)
        else:
            self._next(endpoint_id, lane)
        self._tidy(endpoint_id, lane)

    def _next(self, endpoint_id: str, lane: Lane) -> None:
        """Give the lane's first in line its turn, if it may, and the lane the last place."""
        while lane.waiting and self._may_send(lane):
            turn = lane.waiting.popleft()
            self._in_line -= 1
            lane.account.waiting -= 1
            if turn.cancelled():
                continue
            self._begin(lane)
            turn.set_result(None)
            self._lines[endpoint_id] = self._lines.pop(endpoint_id)
            if self._sending * 2 >= self._at_once:
                break
        self._tidy(endpoint_id, lane)

    def _tidy(self, endpoint_id: str, lane: Lane) -> None:
        """Forget a lane that nobody is in, unless the endpoint has another one by now."""
        if not lane.waiting and self._lanes.get(endpoint_id) is lane:
            self._lines.pop(endpoint_id, None)
            if not lane.sending:
                self._lanes.pop(endpoint_id, None)

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._turns.add(limit)
                yield
        except TimeoutError as error:
            if limit.expired():
                raise EndpointBusy from error
            raise
        finally:
            self._turns.discard(limit)
