"""What rag reacts to.

chat.requested             work   find passages → chat.grounded
rag.ground                 call   find passages for a message that is being accepted
sources.submitted          work   index a source
sources.crawl              work   fetch the pages of a website
events.agent.deleted.*     work   remove everything of an agent
rag.create_source … delete_source   calls, see sources/calls.py
"""

import structlog

from libs.bus.answers import answer
from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.bus.work import Delivered, work
from libs.contracts import subjects
from libs.contracts.chat import GROUND, ChatGrounded, ChatRequested, Ground, Grounded, grounded_id
from libs.contracts.events import AgentDeleted, MessageFailed, outcome_id
from libs.contracts.sources import (
    CREATE_SOURCE,
    DELETE_SOURCE,
    GET_SOURCE,
    LIST_SOURCES,
    UPDATE_SOURCE,
    SourceCrawl,
    SourceSubmitted,
)
from libs.runtime.clock import now
from services.rag.embed.errors import EmbeddingError, Unavailable
from services.rag.search.ground import Retriever
from services.rag.sources.calls import Sources
from services.rag.sources.ingest import Ingestion
from services.rag.sources.websites import Crawls

log = structlog.get_logger()

NOT_NOW = "The agent's sources can't be searched right now. Please try again later."
NOT_AT_ALL = (
    "The agent's sources can't be searched; whoever runs this server finds the reason in its log."
)
EVENT_SLOTS = 4
PATIENCE = 1_000
"""Deliveries of a source that waits for its turn."""


def register(
    bus: Bus,
    retriever: Retriever,
    ingestion: Ingestion,
    crawls: Crawls,
    sources: Sources,
    *,
    chat_slots: int,
    ingest_waiting: int,
) -> None:
    """Subscribe to all of it; nothing arrives before the bus is started."""
    chat = Chat(bus, retriever)
    work(
        bus,
        subjects.CHAT,
        subjects.CHAT_REQUESTED,
        ChatRequested,
        chat.ground,
        durable="rag_chat_requested",
        slots=chat_slots,
        give_up=chat.give_up,
        pointless=chat.is_over,
    )
    work(
        bus,
        subjects.SOURCES,
        subjects.SOURCES_SUBMITTED,
        SourceSubmitted,
        ingestion.ingest,
        durable="rag_sources_submitted",
        slots=ingest_waiting,
        # It waits here for its turn, and each stop of the process is a delivery more: what counts
        # is how often it was begun, see ingest.py.
        max_attempts=PATIENCE,
        give_up=ingestion.give_up,
    )
    work(
        bus,
        subjects.SOURCES,
        subjects.SOURCES_CRAWL,
        SourceCrawl,
        crawls.crawl,
        durable="rag_sources_crawl",
        slots=ingest_waiting,
        max_attempts=PATIENCE,  # the same, see websites.py
        give_up=crawls.give_up,
    )
    work(
        bus,
        subjects.EVENTS,
        subjects.event("agent.deleted", "*"),
        AgentDeleted,
        sources.delete_agent,
        durable="rag_agent_deleted",
        slots=EVENT_SLOTS,
    )
    answer(bus, GROUND, chat.ahead)
    answer(bus, CREATE_SOURCE, sources.create)
    answer(bus, LIST_SOURCES, sources.list)
    answer(bus, GET_SOURCE, sources.get)
    answer(bus, UPDATE_SOURCE, sources.update)
    answer(bus, DELETE_SOURCE, sources.delete)


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
        grounded = ChatGrounded(
            request=request,
            passages=found.passages,
            confidence=found.confidence,
            suggestions=found.suggestions,
        )
        # The id makes a redelivered request one job for llm, not two.
        await self._bus.send(subjects.CHAT_GROUNDED, grounded, grounded_id(request.message_id))

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
        if isinstance(error, Unavailable):
            await self._fail(request, "service_unavailable", NOT_NOW)
        else:
            await self._fail(request, "search_failed", NOT_AT_ALL)

    async def _fail(self, request: ChatRequested, code: str, message: str) -> None:
        failed = MessageFailed(
            event_id=outcome_id(request.message_id),
            account_id=request.account_id,
            agent_id=request.agent.id,
            at=now(),
            message_id=request.message_id,
            conversation_id=request.conversation_id,
            code=code,
            message=message,
            edge=request.edge,
        )
        # The log refuses it when the message has its outcome already: then that one stands.
        await self._bus.emit(failed)
