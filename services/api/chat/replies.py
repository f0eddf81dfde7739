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
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError

from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.bus.topics import listen
from libs.contracts.queues import ANY, CHAT_REPLIES
from libs.contracts.replies import AnyReply
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
    """The replies to one message that nobody has looked at yet."""

    def __init__(self) -> None:
        # None: nothing came for a while. An inbox holds one answer, which bounds what is in it.
        self._replies: asyncio.Queue[AnyReply | None] = asyncio.Queue()

    def put(self, reply: AnyReply | None) -> None:
        """Add the next reply."""
        self._replies.put_nowait(reply)

    async def next_within(self, seconds: float) -> AnyReply:
        """Return the next reply. Raises MissedFrames when none comes in time."""
        # A timer, not a timeout: it costs a fraction, and there is one for every token.
        silence = asyncio.get_running_loop().call_later(seconds, self.put, None)
        try:
            reply = await self._replies.get()
        finally:
            silence.cancel()
        if reply is None:
            raise MissedFrames
        return reply

    def next_at_once(self) -> AnyReply | None:
        """Return the next reply, None when there is none yet."""
        return None if self._replies.empty() else self._replies.get_nowait()


class Replies:
    """The answers that clients of this process are waiting for.

    `silence`: seconds without a reply before looking for lost ones; `timeout`: seconds that an
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
            await subscription.unsubscribe()

    async def follow(
        self, message_id: str, inbox: Inbox, answer: Transcript
    ) -> AsyncIterator[list[ClientEvent]]:
        """Yield what to tell the client, in batches, until the answer has ended or time is up."""
        deadline = time.monotonic() + self._timeout
        look_again = 0.0
        while answer.end is None and time.monotonic() < deadline:
            events: list[ClientEvent] = []
            try:
                events += answer.take(await inbox.next_within(self._silence))
                while answer.end is None and (reply := inbox.next_at_once()):
                    events += answer.take(reply)
            except MissedFrames:
                # Every frame behind one that is gone for ever shows the gap again.
                if time.monotonic() >= look_again:
                    events += await self.catch_up(message_id, answer)
                    look_again = time.monotonic() + LOOK_INTERVAL
            if events:
                yield events

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


def _why(error: Exception) -> str:
    return repr(error.__cause__ or error)
