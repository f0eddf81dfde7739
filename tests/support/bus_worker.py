"""A worker on a queue that does as it is told, and its job."""

import asyncio
from dataclasses import replace

from libs.bus.bus import Bus
from libs.bus.queues import Delivered, consume
from libs.contracts import subjects
from libs.contracts.queues import SOURCES_SUBMITTED
from libs.contracts.sources import SourceSubmitted

JOB = SourceSubmitted(agent_id="agent_1", source_id="src_1")


class Worker:
    """A handler that fails as it is told, and what it saw."""

    def __init__(
        self, *errors: Exception, slow: float = 0.0, given_up_with: Exception | None = None
    ) -> None:
        self.given_up_with = given_up_with
        self.over = False  # the answer to whether the work is pointless
        self.errors = list(errors)
        self.slow = slow  # seconds that the first message takes
        self.seen: list[Delivered[SourceSubmitted]] = []
        self.given_up: list[Delivered[SourceSubmitted]] = []

    async def handle(self, delivered: Delivered[SourceSubmitted]) -> None:
        """Fail with the next error, if there is one left."""
        self.seen.append(delivered)
        if self.slow and len(self.seen) == 1:
            await asyncio.sleep(self.slow)
        if self.errors:
            raise self.errors.pop(0)

    async def give_up(self, delivered: Delivered[SourceSubmitted]) -> None:
        """Note what was given up."""
        self.given_up.append(delivered)
        if self.given_up_with:
            raise self.given_up_with

    async def is_over(self, _: SourceSubmitted) -> bool:
        """Whether nobody wants it any more."""
        return self.over

    async def start(
        self, bus: Bus, max_attempts: int = 2, slots: int = 1, max_age: float = 0.0
    ) -> None:
        """Begin to work."""
        consume(
            bus,
            replace(SOURCES_SUBMITTED, stream=replace(subjects.SOURCES, max_age=max_age)),
            self.handle,
            by="test",
            slots=slots,
            max_attempts=max_attempts,
            give_up=self.give_up,
            pointless=self.is_over,
        )
        await bus.start()
