"""Passing pieces on, within their time, and stopping what makes them."""

from collections.abc import AsyncGenerator

import pytest

from services.llm.failures import Failed
from services.llm.generate import generate
from services.llm.interface import Anew, Ending, Piece
from services.llm.model.patience import Timeouts, patiently

AGES = Timeouts(first=60, between=60, total=60)


class Pieces:
    """A few pieces of text without an ending; knows whether it was closed."""

    def __init__(self) -> None:
        self.closed = False

    async def answer(self) -> AsyncGenerator[Piece, None]:
        """Yield them."""
        try:
            for piece in ("a", "b", "c"):
                yield piece
        finally:
            self.closed = True


async def publish(_: str | Anew) -> None:
    """Take a piece."""


async def fail(_: str | Anew) -> None:
    """Fail like a bus that is gone."""
    raise ConnectionError


async def test_pieces_pass_unchanged() -> None:
    """In time, patience is not noticed."""
    pieces = Pieces()
    assert [piece async for piece in patiently(pieces.answer(), AGES)] == ["a", "b", "c"]


async def test_work_has_stopped_when_publishing_fails() -> None:
    """Whatever ends the passing on, what was behind it is closed before that is known."""
    pieces = Pieces()
    with pytest.raises(ConnectionError):
        await generate(patiently(pieces.answer(), AGES), fail, 100)
    assert pieces.closed


async def test_answer_without_an_ending_is_a_failure() -> None:
    """An answerer that just stops has not answered."""
    with pytest.raises(Failed, match="did not end"):
        await generate(Pieces().answer(), publish, 100)


async def test_blank_answer_is_a_failure() -> None:
    """White space is no answer."""

    async def blank() -> AsyncGenerator[Piece, None]:
        yield " \n"
        yield Ending()

    with pytest.raises(Failed, match="empty answer"):
        await generate(blank(), publish, 100)
