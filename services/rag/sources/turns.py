"""Turns to index: so many sources at once, and no account's sources hold up another's.

An account has at most all turns but one, so there is one for whoever else comes; and a long source
gives its turn away after each step while another account waits. Within an account: first come,
first served. A process knows its own turns only. That is enough: whichever process has a source in
hand, the sources of others that it competes with are there too.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class IngestionTurn:
    """The right to work, now or again in a moment."""

    def __init__(self, turns: "IngestionTurns", account: str) -> None:
        self._turns = turns
        self._account = account

    async def pass_on(self) -> None:
        """Let another account go first, if one waits; return when it is our turn again."""
        await self._turns.pass_on(self._account)


class IngestionTurns:
    """The turns of this process."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._share = max(1, at_once - 1)
        self._working: Counter[str] = Counter()
        # Whose last turn is the longest ago stands first.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, account: str) -> AsyncIterator[IngestionTurn]:
        """Wait for a turn; it lasts until the block ends."""
        await self._take(account)
        try:
            yield IngestionTurn(self, account)
        finally:
            self._give(account)

    async def pass_on(self, account: str) -> None:
        """See Turn."""
        if not any(map(self._may, (other for other in self._waiting if other != account))):
            return
        again = self._line_up(account, again=True)
        self._give(account)
        try:
            await again
        except asyncio.CancelledError:
            if again.cancelled():
                self._leave(account, again)
                self._count(account)  # for the end of the block, which gives it back
            raise

    async def _take(self, account: str) -> None:
        turn = self._line_up(account, again=False)
        self._grant()
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(account, turn)
            else:
                self._give(account)
            raise

    def _line_up(self, account: str, *, again: bool) -> asyncio.Future[None]:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(account, deque())
        if again:
            line.appendleft(turn)
        else:
            line.append(turn)
        return turn

    def _leave(self, account: str, turn: asyncio.Future[None]) -> None:
        line = self._waiting.get(account, deque())
        if turn in line:
            line.remove(turn)
        if not line:
            self._waiting.pop(account, None)

    def _may(self, account: str) -> bool:
        return self._working[account] < self._share

    def _count(self, account: str) -> None:
        self._free -= 1
        self._working[account] += 1

    def _give(self, account: str) -> None:
        self._free += 1
        self._working[account] -= 1
        if not self._working[account]:
            del self._working[account]
        self._grant()

    def _grant(self) -> None:
        while self._free > 0:
            waiting = filter(self._may, self._waiting)
            account = min(waiting, key=self._working.__getitem__, default=None)
            if account is None:
                return
            line = self._waiting.pop(account)
            turn = line.popleft()
            if line:
                self._waiting[account] = line  # behind the others
            if not turn.done():
                self._count(account)
                turn.set_result(None)
