"""One answer: take the text from the answerer as it comes and pass it on."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass

from services.llm.answerer import Anew, Ending, Piece
from services.llm.failures import Failed


@dataclass(frozen=True)
class Answer:
    """A complete answer: `text` is what was passed on, without what was taken back."""

    text: str
    ending: Ending


async def generate(
    pieces: AsyncGenerator[Piece, None],
    publish: Callable[[str | Anew], Awaitable[None]],
    most_characters: int,
) -> Answer:
    """Publish each piece of text and return the whole. Raises Failed; what was published stays.

    The work behind `pieces` has stopped when this returns, raises or is cancelled.
    """
    texts: list[str] = []
    room = most_characters
    ending: Ending | None = None
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, Ending):
                ending = piece
                break
            if not piece:
                continue
            if isinstance(piece, Anew):
                texts, room = [], most_characters
                text = piece.text[:room]
                await publish(Anew(text))
            else:
                text = piece[:room]
                await publish(text)
            texts.append(text)
            room -= len(text)
            if room == 0:
                ending = Ending(finish_reason="length")
                break
    return _checked("".join(texts), ending)


def _checked(text: str, ending: Ending | None) -> Answer:
    if ending is None:
        raise Failed("upstream_error", "the answerer did not end")
    if not text.strip():
        if ending.finish_reason == "length":
            detail = "the limit of tokens went into thoughts: raise LLM_MAX_TOKENS"
            raise Failed("max_tokens_reached", detail)
        raise Failed("upstream_error", "empty answer")
    return Answer(text, ending)
