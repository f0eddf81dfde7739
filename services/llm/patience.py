"""How long an answer may take: to its first text, between two pieces of text, altogether."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from services.llm.answerer import Piece
from services.llm.failures import Failed


@dataclass(frozen=True)
class Patience:
    """Seconds."""

    first: float
    between: float
    total: float


async def patiently(
    pieces: AsyncGenerator[Piece, None], patience: Patience
) -> AsyncGenerator[Piece, None]:
    """Pass the pieces on; close them and raise Failed when one does not come in time."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience.total
    wait, waited_for = patience.first, "first token"
    async with aclosing(pieces):
        while True:
            due = min(end, loop.time() + wait)
            try:
                async with asyncio.timeout_at(due):
                    piece = await anext(pieces, None)
            except TimeoutError as error:
                detail = "whole answer" if due == end else waited_for
                raise Failed("upstream_timeout", detail) from error
            if piece is None:
                return
            yield piece
            wait, waited_for = patience.between, "next token"
