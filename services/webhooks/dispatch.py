"""A delivery's way: its time, its turn, one attempt, and what follows from the outcome.

See docs/decisions/webhooks-attempts.md for why a retry is a message of its own.
"""

import random
from datetime import UTC, datetime, timedelta

import httpx
import msgspec
import structlog
from stamina import retry_context

from libs.bus.bus import Bus
from libs.bus.work import OUTAGES, Delivered, RetryLater
from libs.contracts import subjects
from libs.contracts.webhooks import Delivery
from services.webhooks.deliver import Outcome, attempt
from services.webhooks.directory import Directory
from services.webhooks.endpoints import Endpoints
from services.webhooks.fan_out import queue
from services.webhooks.lanes import Busy, Lanes
from services.webhooks.retry import next_delay, put_back_delay
from services.webhooks.settings import WebhooksSettings
from services.webhooks.store import StoredEndpoint

log = structlog.get_logger()


class Dispatcher:
    """Handles the messages of the delivery queue."""

    def __init__(
        self,
        bus: Bus,
        directory: Directory,
        endpoints: Endpoints,
        lanes: Lanes,
        client: httpx.AsyncClient,
        settings: WebhooksSettings,
    ) -> None:
        self._bus = bus
        self._directory = directory
        self._endpoints = endpoints
        self._lanes = lanes
        self._client = client
        self._settings = settings

    async def handle(self, delivered: Delivered[Delivery]) -> None:
        """Send one delivery when its time has come. Raises RetryLater when it has not."""
        delivery = delivered.message
        _wait_until(delivery.not_before)
        try:
            async with self._lanes.turn(delivery.endpoint_id):
                # Looked up now, after the wait: it may have been deleted meanwhile.
                endpoint = await self._directory.find(delivery.agent_id, delivery.endpoint_id)
                if endpoint is None:
                    log.info("webhook.dropped", endpoint_id=delivery.endpoint_id)
                    return
                outcome = await attempt(
                    self._client, endpoint, delivery, self._settings.webhook_timeout
                )
        except Busy as busy:
            raise RetryLater(put_back_delay(delivered.attempt, chance=_chance())) from busy
        await self._conclude(endpoint, delivery, outcome)

    async def _conclude(
        self, endpoint: StoredEndpoint, delivery: Delivery, outcome: Outcome
    ) -> None:
        _log_attempt(delivery, outcome)
        if outcome.delivered:
            return
        # Until it is kept: what goes back to the queue during an outage would be sent again.
        async for keeping in retry_context(on=OUTAGES, attempts=None, timeout=None, wait_max=3.0):
            with keeping:
                await self._failed(endpoint, delivery, outcome)

    async def _failed(self, endpoint: StoredEndpoint, delivery: Delivery, outcome: Outcome) -> None:
        if outcome.gone:
            await self._endpoints.disable(endpoint)
            return
        delay = next_delay(
            self._settings.webhook_retry_delays,
            delivery.attempt,
            chance=_chance(),
            retry_after=outcome.retry_after,
            retry_after_max=self._settings.webhook_retry_after_max,
        )
        if delay is None:
            await self._give_up(delivery)
        else:
            await self._retry(delivery, delay)

    async def _retry(self, delivery: Delivery, delay: float) -> None:
        not_before = datetime.now(UTC) + timedelta(seconds=delay)
        await queue(
            msgspec.structs.replace(delivery, attempt=delivery.attempt + 1, not_before=not_before),
            self._bus,
        )

    async def _give_up(self, delivery: Delivery) -> None:
        log.error(
            "webhook.given_up", endpoint_id=delivery.endpoint_id, webhook_id=delivery.webhook_id
        )
        # The id protects from a second dead letter when this delivery comes up again.
        await self._bus.send(
            subjects.dead(subjects.delivery(delivery.endpoint_id)),
            delivery,
            f"dead:{delivery.webhook_id}:{delivery.endpoint_id}",
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


def _log_attempt(delivery: Delivery, outcome: Outcome) -> None:
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
