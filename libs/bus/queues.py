"""Consuming queues, and the one place that decides when a message is acknowledged.

A message is acknowledged after its handler returned. While the handler runs (or waits for a free
slot) the claim is renewed, so that only a dead process loses it, after ACK_WAIT. While a server
that the handler needs is away, it is tried again in place. A handler that raises anything else gets
the message again after a delay that grows; after MAX_ATTEMPTS, and when the message can't be read
at all, it goes to the dead letters and `give_up` may end its business visibly.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import chain, repeat
from typing import Any, Generic, TypeVar

import msgspec
import structlog
from cachetools import LRUCache
from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from libs.bus.bus import Bus
from libs.bus.dead_letters import bury
from libs.bus.errors import Refused, ServiceUnavailable
from libs.bus.pull import Pull
from libs.bus.subscriber import subscribe
from libs.contracts.message import decode
from libs.contracts.queues import Queue
from libs.runtime.clock import now
from libs.runtime.outages import MongoUnavailable

log = structlog.get_logger()

ACK_WAIT = 6.0
"""Seconds after which a message goes to another worker when its own stopped renewing the claim."""
MAX_ATTEMPTS = 6
"""Deliveries of one message that came to nothing before it becomes a dead letter."""
MOST_SURVIVED = 5_000
"""Messages that were handled here lately: when one comes again, its acknowledgement was lost."""
RETRY_DELAYS = (0.2, 1.0, 5.0, 15.0, 30.0)
"""Seconds before the second, third, … delivery after an error."""
OUTAGE_DELAYS = (0.1, 0.3, 1.0, 3.0)
"""Seconds between two tries while a server is away; the last one repeats."""
OUTAGES = (ServiceUnavailable, MongoUnavailable)

M = TypeVar("M")
M_co = TypeVar("M_co", covariant=True)


@dataclass(frozen=True)
class Delivered(Generic[M_co]):
    """A message and which delivery of it this is, from 1. `id` is the same for all of them."""

    message: M_co
    attempt: int
    id: str = field(default="", compare=False)


class RetryLater(Exception):
    """Raised by a handler: not an error, deliver the message again after `delay` seconds."""

    def __init__(self, delay: float) -> None:
        super().__init__(f"again in {delay} s")
        self.delay = delay


class TooOld(Exception):
    """A server was away until the message was older than its stream keeps any."""


class GiveUp(Exception):
    """Raised by a handler: no further attempt is of any use, the message is a dead letter."""


class TakenOver(Exception):
    """Raised by a handler: another delivery of this message is at work, so it is left to that."""


Handler = Callable[[Delivered[M]], Awaitable[None]]
Pointless = Callable[[M], Awaitable[bool]]


def consume(
    bus: Bus,
    queue: Queue[M],
    handler: Handler[M],
    *,
    by: str,
    slots: int,
    max_attempts: int = MAX_ATTEMPTS,
    give_up: Handler[M] | None = None,
    pointless: Pointless[M] | None = None,
) -> None:
    """Handle the messages of a queue, each once, shared by all processes of a service (`by`).

    `slots` is how many this process works on at once. `pointless` is asked during an outage,
    whether the work on a message makes no difference any more; then it is done.
    """
    stream = queue.stream
    free = asyncio.Semaphore(slots)
    age = timedelta(seconds=stream.max_age) if stream.max_age else timedelta.max
    policy = Policy(bus, queue.kind, handler, give_up, max_attempts, age, pointless)

    in_hand: dict[tuple[int, datetime], Claim] = {}

    def take(message: Msg) -> None:
        named = _delivery(message)
        if named in in_hand:
            # A claim that was lost, with the loop or the server held up for longer than ACK_WAIT.
            # The work goes on; what it is acknowledged by is the newest delivery.
            in_hand[named].message = message
            pull.done()
        else:
            in_hand[named] = claim = Claim(bus, message)
            bus.run(work_on(claim, named))

    async def work_on(claim: Claim, named: tuple[int, datetime]) -> None:
        try:
            with claim:
                async with free:
                    await subscriber.process_message(claim.message)
        finally:
            del in_hand[named]
            pull.done()

    pull = Pull(
        bus.client,
        bus.jetstream,
        stream=stream.name,
        subject=queue.pattern,
        durable=queue.durable(by),
        ack_wait=ACK_WAIT,
        slots=slots,
        take=take,
        missing=bus.restore.soon,
    )
    subscriber = subscribe(
        bus.broker,
        pull,
        lambda message: in_hand[_delivery(message)],
        policy.apply,
    )
    bus.restore.add(pull.create_missing)
    bus.on_reconnect(pull.reconnected)


def _delivery(message: Msg) -> tuple[int, datetime]:
    """Return what all deliveries of a message have in common."""
    where = message.metadata
    return where.sequence.stream, where.timestamp


class Claim:
    """Renews the claim on a message until the block ends.

    By a timer: most work is over before its first turn.
    """

    def __init__(self, bus: Bus, message: Msg) -> None:
        self._bus = bus
        self.message = message

    def __enter__(self) -> None:
        self._begin()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()

    def _begin(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(ACK_WAIT / 3, self._renew)

    def _renew(self) -> None:
        self._bus.run(self._in_progress())
        self._begin()

    async def _in_progress(self) -> None:
        try:
            await self.message.in_progress()
        except NatsError as error:
            log.warning("work.claim_not_renewed", error=str(error))


class Policy:
    """What becomes of one delivery."""

    def __init__(
        self,
        bus: Bus,
        kind: Any,
        handler: Handler[Any],
        give_up: Handler[Any] | None,
        max_attempts: int,
        age: timedelta,
        pointless: Pointless[Any] | None,
    ) -> None:
        self._bus = bus
        self._kind = kind
        self._handler = handler
        self._give_up = give_up
        self._max_attempts = max_attempts
        self._age = age
        self._pointless = pointless
        self._handled: LRUCache[tuple[int, datetime], int] = LRUCache(MOST_SURVIVED)

    async def apply(self, claim: Claim) -> None:
        """Handle a delivery, and decide whether the message is done, comes again, or dies."""
        where = claim.message.metadata
        attempt = where.num_delivered
        named = f"{where.stream}.{where.sequence.stream}"
        try:
            delivered = Delivered(decode(claim.message.data, self._kind), attempt, named)
        except msgspec.MsgspecError as error:
            await bury(self._bus, claim.message, str(error))
            return
        key = _delivery(claim.message)
        # NATS may lose acknowledgements when it dies: those deliveries came to a good end.
        failed = attempt - self._handled.get(key, 0)
        try:
            # A message that kills its worker never raises: the count is what ends it.
            if failed > self._max_attempts:
                await self._end(claim, delivered, "too many deliveries")
                return
            await self._patiently(self._handler, claim, delivered)
        except RetryLater as later:
            await claim.message.nak(delay=later.delay)
        except TakenOver:
            log.info("work.taken_over", subject=claim.message.subject)
        except GiveUp as error:
            await self._end(claim, delivered, str(error))
        except (Refused, TooOld) as error:  # it would end like this each time
            log.error("work.refused", subject=claim.message.subject, error=repr(error)[:200])
            await self._end(claim, delivered, repr(error))
        except Exception as error:
            log.exception("work.failed", subject=claim.message.subject, attempt=attempt)
            if failed >= self._max_attempts:
                await self._end(claim, delivered, repr(error))
            else:
                delay = RETRY_DELAYS[min(failed, len(RETRY_DELAYS)) - 1]
                await claim.message.nak(delay=delay)
        else:
            self._handled[key] = claim.message.metadata.num_delivered
            # Not above: what was handled is no failure when NATS is away. It comes again.
            await claim.message.ack()

    async def _patiently(
        self, handler: Handler[Any], claim: Claim, delivered: Delivered[Any]
    ) -> None:
        """Handle a message when the servers are there. Raises TooOld when that is too late.

        Not by stamina, as calls are: its 50 us a message would be more than 1 % of an answer.
        """
        for delay in chain(OUTAGE_DELAYS, repeat(OUTAGE_DELAYS[-1])):
            try:
                await handler(delivered)
            except OUTAGES as error:
                log.warning("work.outage", error=str(error)[:200], again_in=delay)
                if now() - claim.message.metadata.timestamp > self._age:
                    raise TooOld(str(error)) from error
                await asyncio.sleep(delay)
            else:
                return
            if await self._is_pointless(delivered):
                log.info("work.pointless", subject=claim.message.subject)
                return

    async def _is_pointless(self, delivered: Delivered[Any]) -> bool:
        if self._pointless is None:
            return False
        try:
            return await self._pointless(delivered.message)
        except OUTAGES:
            return False

    async def _end(self, claim: Claim, delivered: Delivered[Any], reason: str) -> None:
        if self._give_up is not None:
            try:
                await self._patiently(self._give_up, claim, delivered)
            except Exception:
                # The message dies all the same: whoever waits for it has a limit of its own.
                log.exception("work.not_given_up", subject=claim.message.subject)
        await bury(self._bus, claim.message, reason)
