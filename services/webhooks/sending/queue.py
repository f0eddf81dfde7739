"""A delivery's way: its time, its turn, one attempt, and what follows from the outcome.

See docs/decisions/webhooks-attempts.md for why a retry is a message of its own.
"""

import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import structlog
from msgspec.structs import replace
from stamina import retry_context

from libs.bus.bus import Bus
from libs.bus.queues import OUTAGES, Delivered, RetryLater
from libs.contracts.queues import WEBHOOK_DELIVERIES
from libs.contracts.subjects import dead
from libs.contracts.webhooks import Attempt, Delivery, DeliveryStatus
from libs.egress.resolve import looking_up_for
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from services.webhooks.endpoints.health import EndpointHealth
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.endpoints.store import EndpointStore, StoredEndpoint
from services.webhooks.sending.attempt import AttemptResult, Sender
from services.webhooks.sending.lanes import EndpointBusy, Lanes
from services.webhooks.sending.log import DeliveryLog, Entry
from services.webhooks.sending.retry import next_delay, put_back_delay
from services.webhooks.settings import WebhooksSettings

log = structlog.get_logger()

RESUMED_DELAY = 0.2
"""Seconds until a delivery comes again whose endpoint was resumed while it was put aside."""


@dataclass(frozen=True)
class _Plan:
    """What follows from an attempt: its status in the log, and when the next one is."""

    status: DeliveryStatus
    next_attempt_at: datetime | None = None


class Dispatcher:
    """Handles the messages of the delivery queue."""

    def __init__(
        self,
        bus: Bus,
        store: EndpointStore,
        directory: KnownEndpoints,
        health: EndpointHealth,
        lanes: Lanes,
        sender: Sender,
        log: DeliveryLog,
        settings: WebhooksSettings,
    ) -> None:
        self._bus = bus
        self._store = store
        self._directory = directory
        self._health = health
        self._lanes = lanes
        self._sender = sender
        self._log = log
        self._settings = settings

    async def handle(self, delivered: Delivered[Delivery]) -> None:
        """Send one delivery when its time has come. Raises RetryLater when it has not."""
        delivery = delivered.message
        _wait_until(delivery.not_before)
        came_before = delivered.attempt > 1 or delivery.attempt > 1 or bool(delivery.replay_id)
        try:
            async with self._lanes.turn(delivery.endpoint_id, delivery.account_id) as lane:
                # Looked up now, after the wait: it may have been deleted or paused meanwhile.
                endpoint = await self._receiver(delivery, came_before=came_before)
                if endpoint is None:
                    return
                with looking_up_for(endpoint.account_id):
                    outcome = await self._sender.attempt(endpoint, delivery)
                if outcome.timed_out:
                    lane.timed_out()
                else:
                    lane.answered()
        except EndpointBusy as busy:
            delay = put_back_delay(delivered.attempt, busy.wait, chance=_chance())
            raise RetryLater(delay) from busy
        await self._conclude(endpoint, delivery, outcome)

    async def _receiver(self, delivery: Delivery, *, came_before: bool) -> StoredEndpoint | None:
        """Return the endpoint, None when the delivery is not to be sent (any more, or now)."""
        endpoint = await self._directory.find(delivery.agent_id, delivery.endpoint_id)
        if endpoint is None:
            log.info("webhook.dropped", endpoint_id=delivery.endpoint_id)
            return None
        if delivery.test:
            return endpoint
        if came_before and await self._log.superseded(delivery):
            log.info("webhook.superseded", endpoint_id=endpoint.id, webhook_id=delivery.webhook_id)
            return None
        if endpoint.disabled:
            await self._health.tell(endpoint)
            await self._log.note(Entry(delivery, "failed"))
            return None
        if endpoint.paused:
            await self._put_aside(delivery)
            return None
        return endpoint

    async def _put_aside(self, delivery: Delivery) -> None:
        """Keep a delivery in the log until its endpoint is resumed."""
        await self._log.note(Entry(delivery, "held"))
        # Who resumes looks for what is held after that; read here after it is, so one of the two
        # finds it.
        endpoint = await self._store.get(delivery.agent_id, delivery.endpoint_id)
        if endpoint is not None and not endpoint.paused:
            self._directory.forget(delivery.agent_id)
            raise RetryLater(RESUMED_DELAY)

    async def _conclude(
        self, endpoint: StoredEndpoint, delivery: Delivery, outcome: AttemptResult
    ) -> None:
        _log_attempt(delivery, outcome)
        plan = self._plan(delivery, outcome)
        attempt = _attempt(delivery, outcome, plan.next_attempt_at)
        entry = Entry(delivery, plan.status, attempt, plan.next_attempt_at)
        # What goes back to the queue would be sent again, so it is kept, however long that takes;
        # what can't be kept at all is the operator's, and not the queue's to repeat.
        await self._surely(lambda: self._queue_next(delivery, plan, outcome), "webhook.not_queued")
        await self._surely(
            lambda: self._tell_health(endpoint, delivery, outcome), "webhook.health_not_known"
        )
        await self._surely(lambda: self._log.note(entry), "webhook.not_logged")

    async def _surely(self, step: Callable[[], Awaitable[None]], otherwise: str) -> None:
        """Take a step, through outages; what stands in its way for good is only logged."""
        try:
            async for taking in retry_context(
                on=OUTAGES, attempts=None, timeout=None, wait_max=3.0
            ):
                with taking:
                    await step()
        except Exception:
            log.exception(otherwise)

    def _plan(self, delivery: Delivery, outcome: AttemptResult) -> _Plan:
        if outcome.delivered:
            return _Plan("succeeded")
        if outcome.gone or delivery.test:
            return _Plan("failed")
        delay = next_delay(
            self._settings.webhook_retry_delays,
            delivery.attempt,
            chance=_chance(),
            retry_after=outcome.retry_after,
            retry_after_max=self._settings.webhook_retry_after_max,
        )
        if delay is None:
            return _Plan("failed")
        return _Plan("retrying", now() + timedelta(seconds=delay))

    async def _queue_next(self, delivery: Delivery, plan: _Plan, outcome: AttemptResult) -> None:
        """Queue the next attempt; after the last one a dead letter. Again, it changes nothing."""
        if plan.next_attempt_at is not None:
            await self._retry(delivery, plan.next_attempt_at)
        elif plan.status == "failed" and not (delivery.test or outcome.gone):
            await self._give_up(delivery)

    async def _tell_health(
        self, endpoint: StoredEndpoint, delivery: Delivery, outcome: AttemptResult
    ) -> None:
        if delivery.test:
            return
        if outcome.delivered:
            await self._health.succeeded(endpoint)
        elif outcome.gone:
            await self._health.disable(endpoint, "gone")
        else:
            await self._health.failed(endpoint, delivery.attempt)

    async def _retry(self, delivery: Delivery, not_before: datetime) -> None:
        again = replace(delivery, attempt=delivery.attempt + 1, not_before=not_before)
        await self._bus.send(WEBHOOK_DELIVERIES, again)

    async def _give_up(self, delivery: Delivery) -> None:
        log.error(
            "webhook.given_up", endpoint_id=delivery.endpoint_id, webhook_id=delivery.webhook_id
        )
        # The id protects from a second dead letter when this delivery comes up again.
        await self._bus.publish(
            dead(WEBHOOK_DELIVERIES.subject_of(delivery)),
            delivery,
            f"dead:{delivery.webhook_id}:{delivery.endpoint_id}:{delivery.replay_id}",
        )


def _wait_until(not_before: datetime | None) -> None:
    """Send a delivery back that is early: fresh from its failure, or after a restart of the bus."""
    if not_before is None:
        return
    wait = (not_before - datetime.now(UTC)).total_seconds()
    if wait > 0:
        raise RetryLater(wait)


def _chance() -> float:
    return random.random()  # noqa: S311 - it spreads load and guards nothing


def _attempt(
    delivery: Delivery, outcome: AttemptResult, next_attempt_at: datetime | None
) -> Attempt:
    return Attempt(
        id=new_id("att"),
        number=delivery.attempt,
        at=outcome.at,
        ms=outcome.ms,
        status=outcome.status,
        problem=outcome.problem,
        response=outcome.response,
        next_attempt_at=next_attempt_at,
        replay=bool(delivery.replay_id),
    )


def _log_attempt(delivery: Delivery, outcome: AttemptResult) -> None:
    fields = {
        "endpoint_id": delivery.endpoint_id,
        "webhook_id": delivery.webhook_id,
        "status": outcome.status,
        "attempt": delivery.attempt,
        "ms": outcome.ms,
    }
    if outcome.delivered:
        log.info("webhook.delivered", **fields)
    else:
        log.warning("webhook.failed", problem=outcome.problem, **fields)
