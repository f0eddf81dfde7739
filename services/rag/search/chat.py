"""The chat request's stop at rag: passages for a question, ahead of its acceptance or after."""

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.bus.queues import Delivered
from libs.contracts.chat import ChatGrounded, ChatRequested, Ground, Grounded
from libs.contracts.events import failure_of
from libs.contracts.queues import CHAT_GROUNDED
from libs.runtime.clock import now
from services.rag.embed.errors import EmbeddingError, EmbeddingUnavailable
from services.rag.search.ground import Retriever

log = structlog.get_logger()

NOT_NOW = "The agent's sources can't be searched right now. Please try again later."
NOT_AT_ALL = (
    "The agent's sources can't be searched; whoever runs this server finds the reason in its log."
)


class Chat:
    """The chat request's stop at rag."""

    def __init__(self, bus: Bus, retriever: Retriever) -> None:
        self._bus = bus
        self._retriever = retriever

    async def ground(self, delivered: Delivered[ChatRequested]) -> None:
        """Find the passages and pass the request on to llm."""
        request = delivered.message
        ground = Ground(
            agent_id=request.agent.id,
            question=request.question,
            history=request.history,
            suggestions=request.agent.suggestions,
        )
        try:
            found = await self._retriever.ground(ground)
        except EmbeddingError as error:
            await self._not_embedded(request, error)
            return
        await self._bus.send(CHAT_GROUNDED, ChatGrounded.of(request, found))

    async def is_over(self, request: ChatRequested) -> bool:
        """Whether the message has ended without us."""
        return await self._bus.has_outcome(request.message_id)

    async def ahead(self, ground: Ground) -> Grounded:
        """Find the passages for a message that is being accepted."""
        try:
            return await self._retriever.ground(ground)
        except EmbeddingError as error:
            raise ServiceUnavailable("embeddings") from error

    async def give_up(self, delivered: Delivered[ChatRequested]) -> None:
        """End the message visibly; the edge hears of it from the event log, as everybody does."""
        await self._fail(delivered.message, "service_unavailable", NOT_NOW)

    async def _not_embedded(self, request: ChatRequested, error: EmbeddingError) -> None:
        """End it: the server was tried again for as long as somebody waits for an answer."""
        log.warning("question.not_embedded", message_id=request.message_id, error=str(error))
        if isinstance(error, EmbeddingUnavailable):
            await self._fail(request, "service_unavailable", NOT_NOW)
        else:
            await self._fail(request, "search_failed", NOT_AT_ALL)

    async def _fail(self, request: ChatRequested, code: str, message: str) -> None:
        # The log refuses it when the message has its outcome already: then that one stands.
        await self._bus.emit(failure_of(request, code, message, at=now()))
