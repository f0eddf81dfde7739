"""Refuses a message at once when there is no room for its answer: nothing is held or stored for it.

Two bounds: the answers that this process has open, and the questions that wait in line for a
worker, whoever put them there. The line is looked at in the background; what this process added
since counts as well, so that a burst does not slip in between two looks.
"""

from libs.bus.bus import Bus
from libs.contracts.subjects import CHAT
from services.api.errors import Overloaded
from services.api.replies import Replies

LOOK_EVERY = 0.5
"""Seconds between two looks at the line."""


class Admission:
    """Room for more answers, or not."""

    def __init__(self, bus: Bus, replies: Replies, *, open_answers: int, waiting: int) -> None:
        self._bus = bus
        self._replies = replies
        self._most_open = open_answers
        self._most_waiting = waiting
        self._waiting = 0

    def check(self) -> None:
        """Raise Overloaded when there is no room for one more open answer."""
        if self._replies.open_answers >= self._most_open:
            raise Overloaded("Too many answers are being streamed right now.")

    def admit(self) -> None:
        """Let a message in. Raises Overloaded."""
        self.check()
        if self._waiting >= self._most_waiting:
            raise Overloaded("Too many questions wait for an answer right now.")
        self._waiting += 1

    async def look(self) -> None:
        """Look at the line; do so every LOOK_EVERY seconds."""
        try:
            self._waiting = await self._bus.waiting(CHAT)
        except Exception:
            self._waiting = 0  # not known: publishing will fail too, and says so
            raise
