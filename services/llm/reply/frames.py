"""The frames of one attempt at an answer, numbered, on their way to the client's edge."""

from libs.bus.bus import Bus
from libs.contracts.chat import ChatRequested, SourcesFrame, SourceUsed, TextFrame
from libs.contracts.queues import CHAT_REPLIES
from services.llm.interface import Anew


class Frames:
    """Sends the frames. What was sent in an attempt stays, unless the text begins anew."""

    def __init__(self, bus: Bus, request: ChatRequested, attempt: int) -> None:
        self._bus = bus
        self._replies = CHAT_REPLIES.at(request.edge, request.message_id)
        self._attempt = attempt
        self._sent = 0
        self._texts: list[str] = []

    @property
    def so_far(self) -> str:
        """The text of this attempt until now."""
        return "".join(self._texts)

    async def sources(self, sources: tuple[SourceUsed, ...], confidence: float) -> None:
        """Begin the attempt."""
        await self._send(
            SourcesFrame(
                attempt=self._attempt, seq=self._sent, sources=sources, confidence=confidence
            )
        )

    async def text(self, piece: str | Anew) -> None:
        """Send the next piece of the text."""
        if anew := isinstance(piece, Anew):
            self._texts.clear()
        text = piece.text if isinstance(piece, Anew) else piece
        self._texts.append(text)
        await self._send(TextFrame(attempt=self._attempt, seq=self._sent, text=text, anew=anew))

    async def _send(self, frame: SourcesFrame | TextFrame) -> None:
        self._sent += 1
        await self._bus.tell(self._replies, frame)
