"""How long an answer may take: to its first text, between two pieces of text, altogether."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from services.llm.answerer import Piece
from services.llm.failures import Failed


@dataclass(frozen=True)
class Patience:
    """Seconds."""

    first: float
    between: float
    total: float

    def part(self, spent: float, models: int) -> "Patience":
        """Return the patience with the next one of so many models, `spent` seconds from the start.

        They share the time to the first text equally: one that hangs leaves time for the others,
        and the client waits no longer than for a single model.
        """
        first = max(0.0, self.first - spent) / models
        return replace(self, first=first, total=max(0.0, self.total - spent))


async def patiently(
    pieces: AsyncGenerator[Piece, None], patience: Patience
) -> AsyncGenerator[Piece, None]:
    """Pass the pieces on; close them and raise Failed when one does not come in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total
    wait, waited_for = patience.first, "first token"
    due = end
    try:
        # Entered once and moved on: a timeout for every token costs as much as all the rest of it.
        async with aclosing(pieces), asyncio.timeout(None) as limit:
            while True:
                due = min(end, loop.time() + wait)
                limit.reschedule(due)
                piece = await anext(pieces, None)
                limit.reschedule(None)
                if piece is None:
                    return
                yield piece
                wait, waited_for = patience.between, "next token"
    except TimeoutError as error:
        detail = "whole answer" if due == end else waited_for
        raise Failed("upstream_timeout", detail) from error
