"""From the bus to the open answers of this process.

All replies for this edge come in on one subscription and are handed to whoever waits for that
message. What got lost (a reconnect, a restart of NATS) is read back from the reply stream. When
that is gone, as after each restart of a NATS server that runs alone, the outcome ends the answer:
the stored one, or else the one on the event log. Failing to read frames keeps from neither.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from weakref import WeakValueDictionary

import msgspec
import structlog
from anyio import CancelScope
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.bus.topics import listen
from libs.contracts.queues import ANY, CHAT_REPLIES, AnyReply
from libs.contracts.subjects import CHAT, REPLIES
from libs.runtime.ids import new_id
from libs.runtime.outages import MongoUnavailable
from services.api.chat.transcript import ClientEvent, MissedFrames, Transcript
from services.api.edge.shares import WaitingLine
from services.api.store.conversations import Conversations

log = structlog.get_logger()

LOOK_INTERVAL = 1.0
"""Seconds between two looks for lost replies of one answer, at least."""


class Inbox:
    """The replies to one message that nobody has looked at yet: one answer's, which bounds it."""

    def __init__(self) -> None:
        self._replies: list[AnyReply] = []
        self._reader: asyncio.Future[None] | None = None

    @property
    def empty(self) -> bool:
        """Whether all that came was taken."""
        return not self._replies

    def put(self, reply: AnyReply) -> None:
        """Add the next reply."""
        self._replies.append(reply)
        self._wake()

    async def take(self, silence: float) -> list[AnyReply]:
        """Return what has come; nothing when for `silence` seconds nothing came."""
        if not self._replies:
            loop = asyncio.get_running_loop()
            self._reader = loop.create_future()
            # A timer, not a timeout: it costs a fraction, and there is one for every token.
            silent = loop.call_later(silence, self._wake)
            try:
                await self._reader
            finally:
                silent.cancel()
        taken, self._replies = self._replies, []
        return taken

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class Replies:
    """The answers that clients of this process are waiting for.

    `silence`: seconds without a reply after which a stream says so and lost ones are looked for;
    `timeout`: seconds that an
    answer may take.
    """

    def __init__(
        self, bus: Bus, conversations: Conversations, *, silence: float, timeout: float
    ) -> None:
        self.edge = new_id("edge")
        self._bus = bus
        self._conversations = conversations
        self._silence = silence
        self._timeout = timeout
        # An inbox lives as long as whoever reads it, however that ends.
        self._open: WeakValueDictionary[str, Inbox] = WeakValueDictionary()
        self.line = WaitingLine(CHAT.max_age)
        self._decoder: msgspec.json.Decoder[AnyReply] = msgspec.json.Decoder(AnyReply)

    async def start(self) -> None:
        """Begin to receive replies."""
        await self._bus.client.subscribe(CHAT_REPLIES.at(self.edge).pattern, cb=self._receive)

    async def _receive(self, message: Msg) -> None:
        message_id = message.subject.rsplit(".", 1)[1]
        self.line.answered(message_id)
        inbox = self._open.get(message_id)
        if inbox is not None:
            inbox.put(self._decoder.decode(message.data))

    def expect(self, message_id: str, account_id: str) -> Inbox:
        """Collect the replies to a message from now on; call it before publishing the request."""
        inbox = self._open[message_id] = Inbox()
        self.line.add(message_id, account_id)
        return inbox

    @asynccontextmanager
    async def overhear(self, message_id: str) -> AsyncIterator[Inbox]:
        """Collect the replies to a message whichever api process took it; then catch up()."""
        inbox = Inbox()
        subscription = await listen(self._bus, CHAT_REPLIES.at(ANY, message_id), inbox.put)
        try:
            yield inbox
        finally:
            with CancelScope(shield=True):
                await subscription.unsubscribe()

    def follow(self, message_id: str, inbox: Inbox, answer: Transcript) -> "Following":
        """Return what reads an answer from its inbox."""
        return Following(self, message_id, inbox, answer, self._silence, self._timeout)

    async def catch_up(self, message_id: str, answer: Transcript) -> list[ClientEvent]:
        """Find what was missed: in the reply stream, and how the answer ended wherever that is."""
        events = await self._read_back(message_id, answer)
        if answer.end is None:
            events += await self._look_for_end(message_id, answer)
        return events

    async def _read_back(self, message_id: str, answer: Transcript) -> list[ClientEvent]:
        """Take the replies that the stream keeps, in order; usually all of one edge."""
        events: list[ClientEvent] = []
        everywhere = CHAT_REPLIES.at(ANY, message_id).pattern
        try:
            # With a wildcard NATS would look through all replies that it keeps, from the first on.
            exact = await self._bus.kept_subjects(REPLIES, everywhere)
            kept = [stored for subject in exact async for stored in self._kept(subject)]
        except (BusError, NatsError, APIError) as error:
            log.warning("replies.not_read_back", message_id=message_id, error=_why(error))
            return events
        for _, data in sorted(kept):
            # Frames may be gone from the stream, or of another release; the end may follow.
            with suppress(MissedFrames, msgspec.MsgspecError):
                events += answer.take(self._decoder.decode(data))
        return events

    async def _look_for_end(self, message_id: str, answer: Transcript) -> list[ClientEvent]:
        """Take the end that is stored; else the one on the event log, which is stored first."""
        try:
            outcome = await self._conversations.outcome(message_id)
            if outcome is None and (outcome := await self._bus.outcome(message_id)):
                await self._conversations.record(outcome)
                await self._conversations.take_back(outcome.agent_id)
        except (BusError, MongoUnavailable) as error:
            log.warning("replies.end_not_found", message_id=message_id, error=_why(error))
            return []
        return answer.take(outcome) if outcome else []

    async def _kept(self, subject: str) -> AsyncIterator[tuple[int, bytes]]:
        sequence = 0
        while True:
            try:
                stored = await self._bus.jetstream.get_msg(
                    REPLIES.name, seq=sequence + 1, subject=subject, next=True
                )
            except NotFoundError:
                return
            sequence = stored.seq or sequence + 1
            yield sequence, stored.data or b""


class Following:
    """An answer as it comes in: next() until it is `over`, ended or not in time."""

    def __init__(
        self,
        replies: Replies,
        message_id: str,
        inbox: Inbox,
        answer: Transcript,
        silence: float,
        timeout: float,
    ) -> None:
        self._replies = replies
        self._message_id = message_id
        self._inbox = inbox
        self._answer = answer
        self._silence = silence
        self._deadline = time.monotonic() + timeout
        self._was_silent = False
        self._look_again = 0.0

    @property
    def over(self) -> bool:
        """Whether nothing more comes; what is there already is taken first."""
        if self._answer.end is not None:
            return True
        return self._inbox.empty and time.monotonic() >= self._deadline

    async def next(self) -> list[ClientEvent]:
        """Return what to tell the client next: nothing when nothing came for a while.

        What was lost meanwhile is looked for by the call after that, so that a client hears from
        us first, however long the servers take.
        """
        if self._was_silent and (found := await self._look_for_lost()):
            return found
        taken = await self._inbox.take(self._silence)
        self._was_silent = not taken
        events: list[ClientEvent] = []
        for reply in taken:
            try:
                events += self._answer.take(reply)
            except MissedFrames:
                events += await self._look_for_lost()
        return events

    async def _look_for_lost(self) -> list[ClientEvent]:
        # Every frame behind one that is gone for ever shows the gap again.
        if time.monotonic() < self._look_again:
            return []
        events = await self._replies.catch_up(self._message_id, self._answer)
        self._look_again = time.monotonic() + LOOK_INTERVAL
        return events


def _why(error: Exception) -> str:
    return repr(error.__cause__ or error)
