"""What every answerer is to generate.py: text as it comes, then how it ended."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Protocol

from libs.contracts.chat import ChatGrounded
from services.llm.fallback import Choice


@dataclass(frozen=True)
class Ending:
    """The end of a complete answer. The token counts are the model's own, 0 when it gave none."""

    finish_reason: str = "stop"
    prompt_tokens: int = 0
    completion_tokens: int = 0


Piece = str | Ending


class Answerer(Protocol):
    """A model, or what stands in for one."""

    def answer(self, grounded: ChatGrounded, choice: Choice) -> AsyncGenerator[Piece, None]:
        """Yield text as soon as there is some, then one Ending. Raises Failed.

        Closing the generator stops the work behind it, at once.
        """
        ...
