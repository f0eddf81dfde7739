"""Pulls the messages of a durable consumer, each as soon as it is there.

One request for many messages stays open at the server, and is made again when half of it is used
or it has run out. A client library's `fetch` asks for each batch anew, and keeps what it got of a
batch until its timeout when the end of an earlier request comes in between.
"""

import asyncio
from collections.abc import Callable

import msgspec
import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from libs.runtime.tasks import forever

log = structlog.get_logger()

EXPIRES = 30.0
"""Seconds that a request stays open at the server; then it says so."""
SILENCE = EXPIRES + 5
"""Seconds without a message or an end after which an open request must have been lost."""
REFUSED_DELAY = 0.5
"""Seconds before the next request when the server could not take one, as while it starts."""
RAN_OUT = "408"


class Pull:
    """A consumer that hands out at most `slots` messages that are not done yet."""

    def __init__(
        self,
        client: Client,
        jetstream: JetStreamContext,
        *,
        stream: str,
        subject: str,
        durable: str,
        ack_wait: float,
        slots: int,
        take: Callable[[Msg], None],
        missing: Callable[[], None],
    ) -> None:
        self._client = client
        self._jetstream = jetstream
        self.stream = stream
        self._durable = durable
        self.consumer = ConsumerConfig(
            durable_name=durable,
            filter_subject=subject,
            ack_policy=AckPolicy.EXPLICIT,
            ack_wait=ack_wait,
            max_ack_pending=-1,
        )
        self._requests = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"
        self._slots = slots
        self._take = take
        self._missing = missing
        self._in_hand = 0
        self._asked = 0
        self._refused = False
        self._changed = asyncio.Event()
        self._subscription: Subscription | None = None
        self._asking: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Create the consumer, or bring it up to date, and begin."""
        await self._create()
        self._inbox = self._client.new_inbox()
        self._subscription = await self._client.subscribe(self._inbox, cb=self._came)
        self._asking = asyncio.create_task(forever("pull", self._keep_asking, every=0))

    async def create_missing(self) -> None:
        """Create the consumer if it is not there; another release may have changed it."""
        try:
            await self._jetstream.consumer_info(self.stream, self._durable)
        except NotFoundError:
            await self._create()
            self.reconnected()  # NATS says nothing to a request for a consumer that is not there

    async def _create(self) -> None:
        await self._jetstream.add_consumer(self.stream, self.consumer)

    async def stop(self) -> None:
        """Take nothing more; what has come is handed out."""
        if self._asking is None or self._subscription is None:
            return
        self._asking.cancel()
        subscription, self._subscription = self._subscription, None
        if self._client.is_connected:
            await subscription.drain()  # type: ignore[no-untyped-call]

    def done(self) -> None:
        """Make room: the work on a message has ended."""
        self._in_hand -= 1
        self._changed.set()

    def reconnected(self) -> None:
        """Ask again: what was open is lost with the connection."""
        self._asked = 0
        self._changed.set()

    async def _came(self, message: Msg) -> None:
        status = message.headers.get("Status") if message.headers and not message.data else None
        if status is None:
            self._asked = max(0, self._asked - 1)
            self._in_hand += 1
            self._take(message)
        else:
            self._ended(status, message.headers or {})
        self._changed.set()

    def _ended(self, status: str, headers: dict[str, str]) -> None:
        self._asked -= min(self._asked, int(headers.get("Nats-Pending-Messages", self._asked)))
        if status != RAN_OUT:
            log.info("pull.refused", durable=self.consumer.durable_name, status=status)
            self._refused = True
            self._missing()

    async def _keep_asking(self) -> None:
        """Ask when there is room, then wait until that may be the case again."""
        self._changed.clear()
        room = self._slots - self._in_hand - self._asked
        if room > 0 and self._asked <= self._slots // 2:
            await self._ask(room)
        try:
            async with asyncio.timeout(SILENCE):
                await self._changed.wait()
        except TimeoutError:
            self._asked = 0
            self._missing()
        if self._refused:
            self._refused = False
            await asyncio.sleep(REFUSED_DELAY)

    async def _ask(self, batch: int) -> None:
        self._asked += batch
        request = {"batch": batch, "expires": int(EXPIRES * 1e9)}
        try:
            await self._client.publish(self._requests, msgspec.json.encode(request), self._inbox)
        except (NatsError, OSError) as error:
            # Such as too much that waits for the connection to come back, or its end in between.
            log.warning("pull.not_asked", durable=self.consumer.durable_name, error=repr(error))
            self._asked -= batch
            self._refused = True
            self._changed.set()
