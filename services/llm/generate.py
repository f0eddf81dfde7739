"""One answer: take the text from the answerer as it comes and pass it on."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from libs.contracts.sizes import ANSWER, cut, size_of
from services.llm.failures import Failed
from services.llm.interface import Anew, Ending, Piece


@dataclass(frozen=True)
class Generation:
    """A complete answer: `text` is what was passed on, without what was taken back."""

    text: str
    ending: Ending


async def generate(
    pieces: AsyncGenerator[Piece, None],
    publish: Callable[[str | Anew], Awaitable[None]],
    most_characters: int,
) -> Generation:
    """Publish each piece of text and return the whole. Raises Failed; what was published stays.

    It ends at so many characters, and where it would not fit in an event any more (ANSWER).

    The work behind `pieces` has stopped when this returns, raises or is cancelled.
    """
    texts: list[str] = []
    room, room_bytes = most_characters, ANSWER
    ending: Ending | None = None
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Ending):
                ending = piece
                break
            if not piece:
                continue
            if isinstance(piece, Anew):
                texts, room, room_bytes = [], most_characters, ANSWER
                given = piece.text
            else:
                given = piece
            text = cut(given[:room], room_bytes)
            await publish(Anew(text) if isinstance(piece, Anew) else text)
            texts.append(text)
            room -= len(text)
            room_bytes -= size_of(text) - len('""')
            if room == 0 or len(text) < len(given):
                ending = Ending(finish_reason="length")
                break
    return _checked("".join(texts), ending)


def _checked(text: str, ending: Ending | None) -> Generation:
    if ending is None:
        raise Failed("upstream_error", "the answerer did not end")
    if not text.strip():
        if ending.finish_reason == "length":
            detail = "the limit of tokens went into thoughts: raise LLM_MAX_TOKENS"
            raise Failed("max_tokens_reached", detail)
        raise Failed("upstream_error", "empty answer")
    return Generation(text, ending)
