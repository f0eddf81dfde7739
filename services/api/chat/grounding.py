"""Asks rag for the passages of a question while the rest of its acceptance goes on.

Only what is faster this way goes this way: with many questions under way, or when no answer comes
in time, the request takes the durable way through rag's queue, which loses nothing.
"""

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.contracts.chat import GROUND, Ground, Grounded

log = structlog.get_logger()

PATIENCE = 2.0
"""Seconds from the question until the durable way is taken."""


class Grounding:
    """`at_once`: questions under way at which the next one takes the durable way."""

    def __init__(self, bus: Bus, *, at_once: int) -> None:
        self._bus = bus
        self._at_once = at_once
        self._under_way = 0

    async def of(self, ground: Ground) -> Grounded | None:
        """Return the passages; None when the request has to be grounded the durable way."""
        if self._under_way >= self._at_once:
            return None
        self._under_way += 1
        try:
            return await self._bus.call(GROUND, ground, patience=0, timeout=PATIENCE)
        except BusError as error:
            log.info("grounding.not_ahead", error=repr(error))
            return None
        finally:
            self._under_way -= 1
