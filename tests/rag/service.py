"""Talks to a running rag service the way the other services do."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Self

import msgspec
from nats.aio.subscription import Subscription

from libs.bus.bus import Bus
from libs.contracts import events
from libs.contracts.chat import AgentProfile, ChatGrounded, ChatRequested, Exchange
from libs.contracts.events import AnyEvent
from libs.contracts.message import Message, decode
from libs.contracts.queues import CHAT_GROUNDED, CHAT_REQUESTED, EVENT_QUEUES
from libs.contracts.sources import CREATE_SOURCE, CreateSource, Source
from libs.runtime.ids import new_id

PATIENCE = 60.0
"""Seconds that a test waits for something that must come."""


class Rag:
    """What a test does with rag: add sources, ask, see what it publishes."""

    def __init__(self, bus: Bus) -> None:
        self.bus = bus
        self.seen_events: list[AnyEvent] = []

    async def __aenter__(self) -> Self:
        subscribe = self.bus.client.subscribe
        self._grounded: Subscription = await subscribe(CHAT_GROUNDED.subject)
        self._events: Subscription = await subscribe("events.>")
        return self

    async def __aexit__(self, *_: object) -> None:
        for subscription in (self._grounded, self._events):
            await subscription.unsubscribe()

    async def add(self, source: CreateSource, agent_id: str) -> Source:
        """Add a source to an agent."""
        return await self.bus.call(
            CREATE_SOURCE, msgspec.structs.replace(source, agent_id=agent_id)
        )

    async def add_ready(self, sources: Sequence[CreateSource], agent_id: str) -> None:
        """Add sources and wait until all of them can be found."""
        for source in sources:
            await self.add(source, agent_id)
        for source in sources:
            await self.event(events.SourceReady, source.source_id)

    async def event(self, kind: type[AnyEvent], about: str) -> AnyEvent:
        """Wait for an event about something."""
        async with asyncio.timeout(PATIENCE):
            while True:
                for event in self.seen_events:
                    if isinstance(event, kind) and about in EVENT_QUEUES[kind].subject_of(event):
                        return event
                message = await self._events.next_msg(timeout=PATIENCE)
                self.seen_events.append(decode(message.data, AnyEvent))

    async def ask(
        self, agent_id: str, question: str, history: tuple[Exchange, ...] = ()
    ) -> ChatGrounded:
        """Publish a chat request and wait for it to come out grounded."""
        request = chat_request(agent_id, question, history)
        await self.bus.send(CHAT_REQUESTED, request)
        message = await self._grounded.next_msg(timeout=PATIENCE)
        return decode(message.data, ChatGrounded)

    async def publish(self, subject: str, message: Message) -> None:
        """Put a message on a stream as another service would."""
        await self.bus.publish(subject, message, new_id("test"))


def chat_request(agent_id: str, question: str, history: tuple[Exchange, ...] = ()) -> ChatRequested:
    """A request as the edge publishes it."""
    return ChatRequested(
        message_id=new_id("msg"),
        conversation_id=new_id("conv"),
        account_id="acc",
        agent=AgentProfile(id=agent_id, name="Ben"),
        question=question,
        history=history,
        model="extractive",
        credits=1,
        edge="edge1",
        requested_at=datetime.now(UTC),
    )


def agent_deleted(agent_id: str) -> events.AgentDeleted:
    """The event that an agent is gone."""
    return events.AgentDeleted(
        event_id=new_id("evt"), account_id="acc", agent_id=agent_id, at=datetime.now(UTC)
    )
