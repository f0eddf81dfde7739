"""Keeps one process from sending more pieces of text a second than is worth its while.

With a few answers open, text goes out as it comes. With many, each piece costs every process on
its way as much as several that go together, so each answer rests after a piece, and what the model
sends meanwhile is its next one.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

SHORTEST_REST = 0.005
"""Seconds; a shorter rest gathers nothing."""


class AnswerPace:
    """How long the open answers of this process rest after a piece of text."""

    def __init__(self, pieces_per_second: float) -> None:
        self._pieces_per_second = pieces_per_second
        self._open = 0

    @contextmanager
    def answer(self) -> Iterator[None]:
        """Count an answer as open within the block."""
        self._open += 1
        try:
            yield
        finally:
            self._open -= 1

    @property
    def seconds(self) -> float:
        """The rest at which all open answers together keep to the rate; 0 when it is too short."""
        rest = self._open / self._pieces_per_second
        return rest if rest >= SHORTEST_REST else 0.0

    async def rest(self) -> None:
        """Let text gather, if there is need."""
        if seconds := self.seconds:
            await asyncio.sleep(seconds)
