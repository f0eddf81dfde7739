"""What every answerer is to generate.py: text as it comes, then how it ended."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from libs.contracts.chat import ChatGrounded
from services.llm.choices import Choice


@dataclass(frozen=True)
class Anew:
    """Text in the place of all that came before it: that was none of the answer."""

    text: str = ""


@dataclass(frozen=True)
class Ending:
    """The end of a complete answer. The token counts are the model's own, 0 when it gave none."""

    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


Piece = str | Anew | Ending
"""An empty text is a sign of life: the model is at work, there is nothing to read yet."""


class Model(Protocol):
    """A model, or what stands in for one."""

    def answer(
        self, grounded: ChatGrounded, choice: Choice, due: float
    ) -> AsyncGenerator[Piece, None]:
        """Yield text as soon as there is some, then one Ending. Raises Failed.

        `due` is when the first sign of life is awaited, in the loop's time. Closing the generator
        stops the work behind it, at once.
        """
        ...
