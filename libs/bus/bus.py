"""One process's connection to the bus: publish, call, and start what the process subscribes to."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import msgspec
import structlog
from faststream.nats import NatsBroker
from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError
from nats.js import JetStreamContext
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError
from stamina import retry_context

from libs.bus import transport
from libs.bus.errors import BusError, FaultError, TooLarge, translated
from libs.bus.streams import PAUSE, Restore, create_missing, ensure_streams
from libs.contracts import events
from libs.contracts.calls import Call, Fault, Reply, Request
from libs.contracts.message import Message, decode, encode
from libs.contracts.queues import EVENT_QUEUES, MESSAGE_FAILED, MESSAGE_SENT, Queue, Topic
from libs.contracts.sizes import MESSAGE
from libs.contracts.subjects import EVENTS, Stream
from libs.runtime.settings import SettingsError
from libs.runtime.tasks import background, cancel

log = structlog.get_logger()

CALL_TIMEOUT = 2.0
"""Seconds to wait for a reply before asking again, or for a stream to confirm."""
CALL_PATIENCE = 8.0
"""Seconds to keep trying while a service is not there, such as during its restart."""
GRACEFUL_TIMEOUT = 15.0
"""Seconds that running handlers get to finish when the process is told to stop."""
DEAD_ROOM = 4096
"""Bytes that a message on a stream leaves free: for the headers that it has as a dead letter."""

M = TypeVar("M", bound=Message)


class Bus:
    """Sending and calling. Handlers are declared with consume() and serve_call().

    FastStream's broker owns the connection and hands out calls and durable work; what is published
    goes through the plain client beneath it, at a fraction of the cost.
    """

    def __init__(self, broker: NatsBroker, client: Client) -> None:
        self._reconnected: list[Callable[[], None]] = []
        self._working: set[asyncio.Task[None]] = set()
        self.closing = False
        self.connected = True
        """False from the loss of the connection until all of `on_reconnect` were called back."""
        self.broker = broker
        self.client = client
        self.jetstream: JetStreamContext = client.jetstream()
        self.restore = Restore()

    async def start(self) -> None:
        """Begin to handle what was subscribed to."""
        await self.broker.start()

    def on_reconnect(self, callback: Callable[[], None]) -> None:
        """Call back when the connection was lost and is there again: live messages were missed."""
        self._reconnected.append(callback)

    def reconnected(self) -> None:
        """Tell whoever asked that the connection is back."""
        log.info("bus.reconnected")
        self.restore.soon()
        for callback in self._reconnected:
            callback()
        self.connected = True

    def disconnected(self) -> None:
        """Note that the connection is lost."""
        self.connected = False
        if not self.closing:
            log.warning("bus.disconnected")

    def run(self, work: Coroutine[Any, Any, None]) -> None:
        """Work on something that gets its time to finish when the bus is closed."""
        task = asyncio.create_task(work)
        self._working.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._working.discard(task)
        if not task.cancelled() and (error := task.exception()):
            # Such as an acknowledgement that could not be sent: the message comes again.
            log.error("bus.work_not_ended", error=repr(error))

    async def close(self) -> None:
        """Take nothing more, let what is running finish, leave."""
        self.closing = True
        for stopped in await asyncio.gather(
            *(subscriber.stop() for subscriber in self.broker.subscribers),
            return_exceptions=True,
        ):
            if isinstance(stopped, Exception):  # such as a server that is away
                log.info("bus.not_unsubscribed", error=repr(stopped))
        if self._working:
            _, unfinished = await asyncio.wait(self._working, timeout=GRACEFUL_TIMEOUT)
            await cancel(unfinished)
        try:
            await self.broker.stop()
        except NatsError as error:  # it is away: there is nobody to take leave of
            log.info("bus.left_without", error=repr(error))
            await self.client.close()

    def failed(self, error: Exception, service: str = "nats") -> BusError:
        """Return what to raise for a client's error; what it says is missing is created again."""
        self.restore.missed(error)
        return translated(error, service)

    async def send(self, queue: Queue[M], message: M) -> bool:
        """Put a message on a queue, durably. False when one with its key was there already.

        Raises ServiceUnavailable when the stream did not confirm; the message may be there or not,
        so send it again. Raises Refused, such as TooLarge, when it never will.
        """
        return await self.publish(queue.subject_of(message), message, queue.key(message))

    async def publish(self, subject: str, message: Message, key: str) -> bool:
        """Put a message on the stream of a subject, as send() does, under another key."""
        headers = {"Nats-Msg-Id": key}
        data = self.fitting(subject, encode(message), headers, spare=DEAD_ROOM)
        try:
            # What is not connected now fails now: a caller has a client waiting.
            ack = await self.jetstream.publish(subject, data, headers=headers, timeout=CALL_TIMEOUT)
        except (NatsError, APIError) as error:
            raise self.failed(error) from error
        return not ack.duplicate

    def fitting(
        self, subject: str, data: bytes, headers: Mapping[str, str] | None = None, spare: int = 0
    ) -> bytes:
        """Return what is to be published when the server takes it. Raises TooLarge.

        Looked at before it is sent: the server ends the whole connection for one that is larger,
        and the client counts no headers.
        """
        size = len(data) + _size_of(headers or {})
        most = self.client.max_payload - spare
        if size > most:
            raise TooLarge(subject, size, most)
        return data

    async def emit(self, event: events.AnyEvent) -> bool:
        """Put an event on the log, durably. False when it was there already."""
        return await self.send(EVENT_QUEUES[type(event)], event)

    async def tell(self, topic: Topic[M], message: M) -> None:
        """Publish to whoever listens right now; nothing is kept, nothing confirmed.

        Raises TooLarge, and ServiceUnavailable when too much waits for a lost connection.
        """
        await self.pass_on(topic.subject, encode(message))

    async def pass_on(self, subject: str, data: bytes) -> None:
        """Publish what is encoded already, as tell() does."""
        data = self.fitting(subject, data)
        try:
            await self.client.publish(subject, data)
        except NatsError as error:
            raise self.failed(error) from error

    async def call(
        self,
        call: Call[Request, Reply],
        request: Request,
        patience: float = CALL_PATIENCE,
        timeout: float | None = None,
    ) -> Reply:
        """Ask the service that owns something. Raises FaultError, TooLarge, ServiceUnavailable.

        `patience`: seconds to keep trying while nobody answers; 0 asks once. `timeout`: seconds
        that one try may take; by default CALL_TIMEOUT, but what must not be asked twice waits
        for its one answer with all the patience there is.
        """
        retried = (NoRespondersError, NatsTimeoutError) if call.idempotent else NoRespondersError
        if timeout is None:
            timeout = CALL_TIMEOUT if call.idempotent else CALL_PATIENCE
        asked = self.fitting(call.subject, encode(request))
        try:
            async for attempt in retry_context(
                on=retried,
                attempts=None if patience else 1,
                timeout=patience or None,
                wait_initial=0.05,
                wait_max=0.5,
            ):
                with attempt:
                    reply = await self.client.request(call.subject, asked, timeout=timeout)
        except NatsError as error:
            raise self.failed(error, call.service) from error
        try:
            answer: Reply | Fault = decode(reply.data, call.answer)
        except msgspec.MsgspecError as error:
            log.error("call.odd_reply", subject=call.subject, error=str(error))
            raise FaultError("internal", f"{call.subject} can't be understood") from error
        if isinstance(answer, Fault):
            raise FaultError(answer.code, answer.message, answer.param)
        return answer

    async def last(self, stream: Stream, subject: str) -> RawStreamMsg | None:
        """The newest message of a stream on a subject (wildcards allowed), None without one."""
        try:
            return await self.jetstream.get_last_msg(stream.name, subject)
        except NotFoundError:
            return None
        except (NatsError, APIError) as error:
            raise self.failed(error) from error

    async def outcome(self, message_id: str) -> events.Outcome | None:
        """The outcome of a chat message that is on the event log, None when there is none yet."""
        for queue in (MESSAGE_SENT, MESSAGE_FAILED):
            logged = await self.last(EVENTS, queue.at(message_id))
            if logged is None or logged.data is None:
                continue
            try:
                outcome: events.Outcome = decode(logged.data, events.Outcome)
            except msgspec.MsgspecError as error:  # nobody else can read it: it ends nothing
                log.error("bus.outcome_unreadable", message_id=message_id, error=str(error))
            else:
                return outcome
        return None

    async def has_outcome(self, message_id: str) -> bool:
        """Whether a chat message has ended: then no work on it makes a difference."""
        return await self.outcome(message_id) is not None

    async def waiting(self, stream: Stream) -> int:
        """Return how many messages of a work stream no worker has taken yet."""
        try:
            consumers = await self.jetstream.consumers_info(stream.name)
        except (NatsError, APIError) as error:
            raise self.failed(error) from error
        return sum(consumer.num_pending or 0 for consumer in consumers)

    async def kept(self, stream: Stream) -> int:
        """Return how many messages a stream has; none, when nobody has created it."""
        try:
            return (await self.jetstream.stream_info(stream.name)).state.messages
        except NotFoundError:
            return 0
        except (NatsError, APIError) as error:
            raise self.failed(error) from error

    async def kept_subjects(self, stream: Stream, subjects: str) -> list[str]:
        """Return which subjects a stream has messages on, among those that a wildcard names."""
        try:
            info = await self.jetstream.stream_info(stream.name, subjects_filter=subjects)
        except NotFoundError as error:
            self.restore.missed(error)
            return []
        except (NatsError, APIError) as error:
            raise self.failed(error) from error
        return sorted(info.state.subjects or ())

    async def kept_on(self, stream: Stream, subject: str) -> int:
        """Return how many messages a stream has on one subject."""
        try:
            info = await self.jetstream.stream_info(stream.name, subjects_filter=subject)
        except (NatsError, APIError) as error:
            raise self.failed(error) from error
        return (info.state.subjects or {}).get(subject, 0)

    async def ping(self) -> None:
        """Raise ServiceUnavailable unless the bus answers, its streams included."""
        try:
            await self.jetstream.account_info()
        except (NatsError, APIError) as error:
            raise self.failed(error) from error


def _size_of(headers: Mapping[str, str]) -> int:
    """Return the bytes of a block of headers, none when there are none."""
    lines = sum(len(name.encode()) + len(value.encode()) + 4 for name, value in headers.items())
    return lines + len("NATS/1.0\r\n\r\n") if headers else 0


@asynccontextmanager
async def open_bus(url: str, name: str, replicas: int = 1) -> AsyncIterator[Bus]:
    """Connect, create the streams, hand the bus over; on exit finish what is running and leave.

    `replicas` is how many servers of a cluster keep each stream. The connection comes back by
    itself for as long as the process lives. Raises SettingsError when the server takes smaller
    messages than ours are.
    """

    async def disconnected() -> None:
        bus.disconnected()

    async def reconnected() -> None:
        bus.reconnected()

    opened = False

    async def failed(error: Exception) -> None:
        # Of the connection, or of a subscription's callback: the subscription goes on. What keeps
        # the connection from being opened is raised to whoever opens it.
        if not opened:
            return
        if isinstance(error, OSError | NatsError):
            log.warning("bus.error", error=repr(error))
        else:
            log.error("bus.error", error=repr(error), exc_info=error)

    broker = NatsBroker(
        url.split(","),
        name=name,
        logger=None,
        apply_types=False,  # handlers get decoded messages, see queues.py and calls.py
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        ping_interval=10,
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
        error_cb=failed,
        graceful_timeout=GRACEFUL_TIMEOUT,
    )
    transport.use()
    bus = Bus(broker, await broker.connect())
    opened = True
    transport.keep_unsent(bus.client)
    try:
        _check_size(bus.client)
        await ensure_streams(bus.jetstream, replicas)
        bus.restore.add(lambda: create_missing(bus.jetstream, replicas))
        async with background("restore", bus.restore.create, every=PAUSE):
            yield bus
    finally:
        await bus.close()


def _check_size(client: Client) -> None:
    if client.max_payload < MESSAGE:
        raise SettingsError(
            f"The server at NATS_URL takes messages of at most {client.max_payload} bytes "
            f"(max_payload), {MESSAGE} are needed."
        )
