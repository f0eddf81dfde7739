"""How long an answer may take: to a first sign of life, between two of them, altogether.

A comment or a thought is a sign of life, and so an empty piece; only text begins the answer.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from services.llm.failures import Failed
from services.llm.interface import Anew, Ending, Piece


@dataclass(frozen=True)
class Timeouts:
    """Seconds. `begin`: until the first text, whatever signs of life there are; None: `total`."""

    first: float
    between: float
    total: float
    begin: float | None = None

    def part(self, spent: float, models: int) -> "Timeouts":
        """Return the patience with the next one of so many models, `spent` seconds from the start.

        They share the time to the first text equally: one that hangs leaves time for the others,
        and the client waits no longer than for a single model. One that lives, and does not come
        to its answer, has its share of the whole time.
        """
        left = self.first - spent
        if left <= 0:  # spent on one that lived
            left = self.first / 2
        total = max(0.0, self.total - spent)
        return replace(self, first=left / models, total=total, begin=total / models)


async def patiently(
    pieces: AsyncGenerator[Piece, None], patience: Timeouts
) -> AsyncGenerator[Piece, None]:
    """Pass the pieces on; close them and raise Failed when one does not come in time.

    An answer that is cut at the whole time, and has text by then, ends as one that is too long.
    """
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total
    wait, waited_for = patience.first, "first token"
    begin = end if patience.begin is None else min(end, loop.time() + patience.begin)
    due = end
    spoke = False
    try:
        # Entered once and moved on: a timeout for every token costs as much as all the rest of it.
        async with aclosing(pieces), asyncio.timeout(None) as limit:
            while True:
                due = min(end if spoke else begin, loop.time() + wait)
                limit.reschedule(due)
                piece = await anext(pieces, None)
                limit.reschedule(None)
                if piece is None:
                    return
                yield piece
                if piece:
                    spoke = bool(piece.text) if isinstance(piece, Anew) else True
                    wait, waited_for = patience.between, "next token"
    except TimeoutError as error:
        if due == end and spoke:
            yield Ending(finish_reason="length")
            return
        detail = "whole answer" if due in (end, begin) else waited_for
        raise Failed("upstream_timeout", detail) from error
