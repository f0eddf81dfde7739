"""Refuses a message at once when there is no room for its answer: nothing is held or stored for it.

Two bounds: the answers that this process has open, and the questions that wait in line for a
worker, whoever put them there. The line is looked at in the background; what this process added
since counts as well, so that a burst does not slip in between two looks. Of both, one account has
no more than its share, so that there is room for the others.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from libs.bus.bus import Bus
from libs.contracts.subjects import CHAT
from services.api.edge.shares import Shares, WaitingLine
from services.api.http.errors import Overloaded

LOOK_EVERY = 0.5
"""Seconds between two looks at the line."""


class Place:
    """The room of one open answer: it ends with the block of whoever reads it, or with itself."""

    def __init__(self, places: Shares["Place"], account_id: str) -> None:
        self._places = places
        self._share = places.take(account_id, self)

    def __enter__(self) -> None:
        """Keep it for as long as the block runs."""

    def __exit__(self, *_: object) -> None:
        """Give it back."""
        self._places.give_back(self._share, self)


class Admission:
    """Room for more answers, or not: in this process, and of that for one account (`…_each`)."""

    def __init__(
        self,
        bus: Bus,
        line: WaitingLine,
        *,
        open_answers: int,
        open_answers_each: int,
        waiting: int,
        waiting_each: int,
    ) -> None:
        self._bus = bus
        self._line = line
        self._places: Shares[Place] = Shares()
        self._most_open = open_answers
        self._most_open_each = open_answers_each
        self._most_waiting = waiting
        self._most_waiting_each = waiting_each
        self._waiting = 0
        self._admitting: Counter[str] = Counter()

    def open(self, account_id: str) -> Place:
        """Give one more open answer its place. Raises Overloaded."""
        if self._places.taken(account_id) >= self._most_open_each:
            raise Overloaded("This account has too many answers open right now.")
        if self._places.total >= self._most_open:
            raise Overloaded("Too many answers are being streamed right now.")
        return Place(self._places, account_id)

    @contextmanager
    def admit(self, account_id: str) -> Iterator[Place]:
        """Let a message in, which is in line when the block ends. Raises Overloaded."""
        place = self.open(account_id)
        with ExitStack() as unless_let_in:
            unless_let_in.enter_context(place)
            with self._in_line(account_id):
                yield place
            unless_let_in.pop_all()

    @contextmanager
    def _in_line(self, account_id: str) -> Iterator[None]:
        waiting = self._line.waiting(account_id) + self._admitting[account_id]
        if waiting >= self._most_waiting_each:
            raise Overloaded("Too many questions of this account wait for an answer right now.")
        if self._waiting >= self._most_waiting:
            raise Overloaded("Too many questions wait for an answer right now.")
        self._waiting += 1
        self._admitting[account_id] += 1
        try:
            yield
        finally:
            self._admitting[account_id] -= 1
            if not self._admitting[account_id]:
                del self._admitting[account_id]

    async def look(self) -> None:
        """Look at the line; do so every LOOK_EVERY seconds."""
        try:
            self._waiting = await self._bus.waiting(CHAT)
        except Exception:
            self._waiting = 0  # not known: publishing will fail too, and says so
            raise
