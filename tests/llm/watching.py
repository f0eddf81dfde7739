"""Sees what llm sends: the frames to the edge, and what it does to the event log."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from nats.aio.msg import Msg

from libs.bus.bus import Bus
from libs.contracts.chat import ChatGrounded, SourcesFrame, TextFrame
from libs.contracts.events import AgentDeleted, AnyEvent, Outcome
from libs.contracts.message import decode
from libs.contracts.queues import CHAT_GROUNDED, CHAT_REPLIES
from libs.runtime.clock import now
from libs.runtime.ids import new_id

PATIENCE = 20.0
"""Seconds that anything expected gets to happen."""
MARKER_REPLY = CHAT_REPLIES.at("test", "marker").subject

Frame = SourcesFrame | TextFrame


class Watch:
    """All since it began, in the order of its arrival.

    `published` are the outcomes that workers tried to log, `logged` those that the log took.
    """

    def __init__(self, bus: Bus) -> None:
        self.frames: list[Frame] = []
        self.published: list[Outcome] = []
        self.logged: list[Outcome] = []
        self._bus = bus
        self._markers = 0
        self._arrived = asyncio.Condition()

    async def on_reply(self, message: Msg) -> None:
        """Take a frame."""
        async with self._arrived:
            if message.subject == MARKER_REPLY:
                self._markers += 1
            else:
                self.frames.append(decode(message.data, Frame))
            self._arrived.notify_all()

    async def on_publish(self, message: Msg) -> None:
        """Take an event on its way to the log."""
        event = decode(message.data, AnyEvent)
        async with self._arrived:
            if isinstance(event, Outcome):
                self.published.append(event)
            self._arrived.notify_all()

    async def on_logged(self, message: Msg) -> None:
        """Take an event from the log."""
        event = decode(message.data, AnyEvent)
        async with self._arrived:
            if isinstance(event, AgentDeleted):
                self._markers += 1
            elif isinstance(event, Outcome):
                self.logged.append(event)
            self._arrived.notify_all()

    def texts(self, attempt: int = 1) -> list[str]:
        """Return the texts of an attempt's frames."""
        return [
            frame.text
            for frame in self.frames
            if isinstance(frame, TextFrame) and frame.attempt == attempt
        ]

    async def until_text(self, attempt: int = 1) -> str:
        """Wait for a first text and return it."""
        await self._until(lambda: bool(self.texts(attempt)))
        return self.texts(attempt)[0]

    async def until_ended(self, times: int = 1) -> Outcome:
        """Wait until workers tried to log an outcome so often; return what the log took last."""
        await self._until(lambda: len(self.published) >= times)
        await self.settle()
        return self.logged[-1]

    async def settle(self) -> None:
        """Wait until everything sent so far is here: what was sent later is, on each path."""
        self._markers = 0
        await self._bus.client.publish(MARKER_REPLY, b"")
        event = AgentDeleted(event_id=new_id("evt"), account_id="", agent_id="marker", at=now())
        await self._bus.emit(event)
        await self._until(lambda: self._markers == 2)

    async def _until(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE), self._arrived:
            await self._arrived.wait_for(condition)


@asynccontextmanager
async def watching(bus: Bus) -> AsyncIterator[Watch]:
    """Watch everything on a NATS server."""
    watch = Watch(bus)
    subscriptions = [
        await bus.client.subscribe("chat.replies.>", cb=watch.on_reply),
        await bus.client.subscribe("events.>", cb=watch.on_publish),
        await bus.jetstream.subscribe("events.>", ordered_consumer=True, cb=watch.on_logged),
    ]
    await bus.client.flush()
    yield watch
    for subscription in subscriptions:
        await subscription.unsubscribe()


async def ask(bus: Bus, grounded: ChatGrounded) -> None:
    """Put a question on llm's queue; again for the same question, as a redelivery would."""
    await bus.publish(CHAT_GROUNDED.subject, grounded, new_id("delivery"))


def well_formed(frames: list[Frame]) -> bool:
    """Tell whether each attempt is sources first, then text, numbered from 0."""
    for attempt in {frame.attempt for frame in frames}:
        mine = [frame for frame in frames if frame.attempt == attempt]
        if [frame.seq for frame in mine] != list(range(len(mine))):
            return False
        if [isinstance(frame, SourcesFrame) for frame in mine] != [
            True,
            *[False] * (len(mine) - 1),
        ]:
            return False
    return True
