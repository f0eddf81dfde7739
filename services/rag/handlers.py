"""What rag reacts to.

chat.requested             work   find passages → chat.grounded
rag.ground                 call   find passages for a message that is being accepted
sources.submitted          work   index a source
sources.crawl              work   fetch the pages of a website
events.agent.deleted.*     work   remove everything of an agent
rag.create_source … delete_source   calls, see sources/calls.py
"""

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.bus.queues import consume
from libs.contracts.chat import GROUND
from libs.contracts.queues import AGENT_DELETED, CHAT_REQUESTED, SOURCES_CRAWL, SOURCES_SUBMITTED
from libs.contracts.sources import (
    CREATE_SOURCE,
    DELETE_SOURCE,
    GET_SOURCE,
    LIST_SOURCES,
    UPDATE_SOURCE,
)
from services.rag.search.chat import Chat
from services.rag.sources.calls import SourceCalls
from services.rag.sources.ingest import Ingestion
from services.rag.sources.websites import Crawls

SERVICE = "rag"
EVENT_SLOTS = 4
PATIENCE = 1_000
"""Deliveries of a source that waits for its turn."""


def register(
    bus: Bus,
    chat: Chat,
    ingestion: Ingestion,
    crawls: Crawls,
    sources: SourceCalls,
    *,
    chat_slots: int,
    ingest_waiting: int,
) -> None:
    """Subscribe to all of it; nothing arrives before the bus is started."""
    consume(
        bus,
        CHAT_REQUESTED,
        chat.ground,
        by=SERVICE,
        slots=chat_slots,
        give_up=chat.give_up,
        pointless=chat.is_over,
    )
    consume(
        bus,
        SOURCES_SUBMITTED,
        ingestion.ingest,
        by=SERVICE,
        slots=ingest_waiting,
        # It waits here for its turn, and each stop of the process is a delivery more: what counts
        # is how often it was begun, see ingest.py.
        max_attempts=PATIENCE,
        give_up=ingestion.give_up,
    )
    consume(
        bus,
        SOURCES_CRAWL,
        crawls.crawl,
        by=SERVICE,
        slots=ingest_waiting,
        max_attempts=PATIENCE,  # the same, see websites.py
        give_up=crawls.give_up,
    )
    consume(bus, AGENT_DELETED, sources.delete_agent, by=SERVICE, slots=EVENT_SLOTS)
    serve_call(bus, GROUND, chat.ahead)
    serve_call(bus, CREATE_SOURCE, sources.create)
    serve_call(bus, LIST_SOURCES, sources.list)
    serve_call(bus, GET_SOURCE, sources.get)
    serve_call(bus, UPDATE_SOURCE, sources.update)
    serve_call(bus, DELETE_SOURCE, sources.delete)
