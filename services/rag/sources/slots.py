"""Slots to index: so many sources at once, and no account's sources hold up another's.

An account has at most all slots but one, so there is one for whoever else comes; and a long source
gives its slot away after each step while another account waits. Within an account: first come,
first served. A process knows its own slots only. That is enough: whichever process has a source in
hand, the sources of others that it competes with are there too.
"""

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class IngestionSlot:
    """The right to work, now or again in a moment."""

    def __init__(self, slots: "IngestionSlots", account: str) -> None:
        self._slots = slots
        self._account = account

    async def pass_on(self) -> None:
        """Let another account go first, if one waits; return when it is our turn again."""
        await self._slots.pass_on(self._account)


class IngestionSlots:
    """The slots of this process."""

    def __init__(self, at_once: int) -> None:
        self._free = at_once
        self._share = max(1, at_once - 1)
        self._working: Counter[str] = Counter()
        # Whose last slot is the longest ago stands first.
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}

    @asynccontextmanager
    async def of(self, account: str) -> AsyncIterator[IngestionSlot]:
        """Wait for a slot; it lasts until the block ends."""
        await self._take(account)
        try:
            yield IngestionSlot(self, account)
        finally:
            self._give(account)

    async def pass_on(self, account: str) -> None:
        """See IngestionSlot."""
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
        slot = self._line_up(account, again=False)
        self._grant()
        try:
            await slot
        except asyncio.CancelledError:
            if slot.cancelled():
                self._leave(account, slot)
            else:
                self._give(account)
            raise

    def _line_up(self, account: str, *, again: bool) -> asyncio.Future[None]:
        slot: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line = self._waiting.setdefault(account, deque())
        if again:
            line.appendleft(slot)
        else:
            line.append(slot)
        return slot

    def _leave(self, account: str, slot: asyncio.Future[None]) -> None:
        line = self._waiting.get(account, deque())
        if slot in line:
            line.remove(slot)
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
            slot = line.popleft()
            if line:
                self._waiting[account] = line  # behind the others
            if not slot.done():
                self._count(account)
                slot.set_result(None)
