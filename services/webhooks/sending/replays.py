"""Reading the log of an endpoint, sending from it again, resuming, and test deliveries.

What is sent again is found and queued by a message of its own: it may be much, and goes on after a
crash.
"""

from collections import Counter
from datetime import UTC, datetime, timedelta

import msgspec
import structlog

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.bus.queues import Delivered, RetryLater
from libs.contracts import webhooks
from libs.contracts.calls import Done
from libs.contracts.queues import WEBHOOK_DELIVERIES, WEBHOOK_REPLAYS
from libs.contracts.sizes import KB, size_of
from libs.contracts.subjects import DELIVERIES
from libs.contracts.webhooks import Delivery, DeliveryStatus, Replay
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from services.webhooks.endpoints.calls import EndpointCalls
from services.webhooks.endpoints.store import StoredEndpoint
from services.webhooks.endpoints.validate import check_events
from services.webhooks.request.body import body_of
from services.webhooks.request.samples import sample
from services.webhooks.sending.log import DeliveryLog, delivery_id, first_id

log = structlog.get_logger()

ANY: tuple[DeliveryStatus, ...] = ("succeeded", "retrying", "failed", "held")
NOT_SUCCEEDED: tuple[DeliveryStatus, ...] = ("retrying", "failed")
CLOCKS = timedelta(minutes=1)
"""How much the clocks of the processes that write events may differ."""
MOST_ROW = 128 * KB
"""Bytes from which on a delivery with its body is shown without the answers of its attempts."""
REPLAYS_PER_ACCOUNT = 2
"""Replays of one account that a process works on at a time: some slots are left for others."""
REPLAYS_WAITING = 100
"""Replays of one endpoint that may wait for their turn."""
TURN_DELAY = 1.0
"""Seconds until a replay comes again that had to wait for others of its account."""
EVER = datetime(1970, 1, 1, tzinfo=UTC)


class Replays:
    """The calls about what was delivered, and the work of a replay."""

    def __init__(self, bus: Bus, endpoints: EndpointCalls, log: DeliveryLog) -> None:
        self._bus = bus
        self._endpoints = endpoints
        self._log = log
        self._running: Counter[str] = Counter()

    async def list(self, request: webhooks.ListDeliveries) -> webhooks.DeliveryPage:
        """Return a page of deliveries. Raises FaultError `not_found`."""
        await self._endpoints.find(request.agent_id, request.endpoint_id)
        items, cursor = await self._log.page(
            request.endpoint_id, request.status, request.cursor, request.limit
        )
        return webhooks.DeliveryPage(items=items, next_cursor=cursor)

    async def get(self, request: webhooks.GetDelivery) -> webhooks.DeliveryFound:
        """Return a delivery and its body. Raises FaultError `not_found`."""
        await self._endpoints.find(request.agent_id, request.endpoint_id)
        row, body = await self._find(request.endpoint_id, request.delivery_id)
        if size_of(row) > MOST_ROW:
            attempts = (msgspec.structs.replace(one, response="") for one in row.attempts)
            row = msgspec.structs.replace(row, attempts=tuple(attempts))
        return webhooks.DeliveryFound(delivery=row, body=body)

    async def test(self, request: webhooks.SendTest) -> webhooks.DeliveryQueued:
        """Queue a made-up event, flagged. Raises FaultError `not_found` and `invalid`."""
        endpoint = await self._endpoints.find(request.agent_id, request.endpoint_id)
        check_events((request.event,), field="event")
        moment = now()
        event = sample(
            request.event, new_id("evt_test"), endpoint.account_id, endpoint.agent_id, moment
        )
        test = Delivery(
            webhook_id=event.event_id,
            endpoint_id=endpoint.id,
            agent_id=endpoint.agent_id,
            event=request.event,
            body=body_of(event, test=True),
            delivery_id=delivery_id(event.event_id, endpoint.id, moment),
            test=True,
            account_id=endpoint.account_id,
        )
        await self._bus.send(WEBHOOK_DELIVERIES, test)
        return webhooks.DeliveryQueued(delivery_id=test.delivery_id)

    async def replay_one(self, request: webhooks.ReplayDelivery) -> Done:
        """Send a delivery again. Raises FaultError `not_found` and `conflict`."""
        endpoint = await self._callable(request.agent_id, request.endpoint_id)
        row, _ = await self._find(request.endpoint_id, request.delivery_id)
        await self._begin(endpoint, ANY, row.id, row.id)
        return Done()

    async def replay_failed(self, request: webhooks.ReplayFailed) -> Done:
        """Send again what has not succeeded. Raises FaultError `not_found` and `conflict`."""
        endpoint = await self._callable(request.agent_id, request.endpoint_id)
        first, last = first_id(request.since), first_id(now() + CLOCKS)
        await self._begin(endpoint, NOT_SUCCEEDED, first, last)
        return Done()

    async def resume(self, request: webhooks.ResumeEndpoint) -> webhooks.EndpointFound:
        """Call an endpoint again, and send what was held. Raises FaultError `not_found`."""
        found = await self._endpoints.enable(request.agent_id, request.endpoint_id)
        endpoint = await self._endpoints.find(request.agent_id, request.endpoint_id)
        first, last = first_id(EVER), first_id(now() + CLOCKS)
        await self._begin(endpoint, ("held",), first, last)
        return found

    async def run(self, delivered: Delivered[Replay]) -> None:
        """Queue the deliveries of a replay. Again, it queues only those that it had not.

        Raises RetryLater while so many of the account's are being worked on here.
        """
        replay = delivered.message
        whose = replay.account_id
        if self._running[whose] >= REPLAYS_PER_ACCOUNT:
            raise RetryLater(TURN_DELAY)
        self._running[whose] += 1
        try:
            count = await self._queue_again(replay)
        finally:
            self._running[whose] -= 1
            if not self._running[whose]:
                del self._running[whose]
        log.info("webhook.replayed", endpoint_id=replay.endpoint_id, deliveries=count)

    async def _queue_again(self, replay: Replay) -> int:
        count = 0
        async for delivery in self._log.of_statuses(replay):
            await self._log.replaying(delivery)
            await self._bus.send(WEBHOOK_DELIVERIES, delivery)
            count += 1
        return count

    async def _find(self, endpoint_id: str, row_id: str) -> tuple[webhooks.DeliveryRow, str]:
        found = await self._log.get(endpoint_id, row_id)
        if found is None:
            raise FaultError("not_found", "the webhook has no such delivery", "delivery_id")
        return found

    async def _callable(self, agent_id: str, endpoint_id: str) -> StoredEndpoint:
        endpoint = await self._endpoints.find(agent_id, endpoint_id)
        if endpoint.disabled:
            raise FaultError("conflict", "the webhook is disabled: resume it first")
        waiting = await self._bus.kept_on(DELIVERIES, WEBHOOK_REPLAYS.at(endpoint_id))
        if waiting >= REPLAYS_WAITING:
            raise FaultError("conflict", f"{waiting} replays of the webhook wait already")
        return endpoint

    async def _begin(
        self,
        endpoint: StoredEndpoint,
        statuses: tuple[DeliveryStatus, ...],
        first: str,
        last: str,
    ) -> None:
        replay = Replay(
            replay_id=new_id("rpl"),
            agent_id=endpoint.agent_id,
            endpoint_id=endpoint.id,
            account_id=endpoint.account_id,
            statuses=statuses,
            first=first,
            last=last,
        )
        await self._bus.send(WEBHOOK_REPLAYS, replay)
