"""Whether endpoints work: since when one fails, and the end of those that never will again."""

from datetime import timedelta
from typing import Literal

import structlog

from libs.bus.bus import Bus
from libs.contracts.events import WebhookDisabled
from libs.runtime.clock import now
from services.webhooks.endpoints.calls import EndpointCalls
from services.webhooks.endpoints.store import EndpointStore, StoredEndpoint

log = structlog.get_logger()

Reason = Literal["gone", "failing"]


class EndpointHealth:
    """Keeps `failing_since` and disables. `patience`: seconds of failing until then.

    Everything may be done again after a crash.
    """

    def __init__(
        self, bus: Bus, store: EndpointStore, endpoints: EndpointCalls, patience: float
    ) -> None:
        self._bus = bus
        self._store = store
        self._endpoints = endpoints
        self._patience = timedelta(seconds=patience)

    async def succeeded(self, endpoint: StoredEndpoint) -> None:
        """Note a success; a write only after failures."""
        if endpoint.failing_since is None:
            return
        await self._store.change(endpoint, {"failing_since": None})
        await self._endpoints.changed(endpoint.agent_id)

    async def failed(self, endpoint: StoredEndpoint, attempt: int) -> None:
        """Note a failed attempt, and disable who has failed for too long.

        A first attempt is not noted: its retry comes soon, and an endpoint that fails now and then
        would be written to all the time.
        """
        if endpoint.failing_since is not None:
            if now() - endpoint.failing_since >= self._patience:
                await self.disable(endpoint, "failing")
        elif attempt > 1 and await self._store.change(
            endpoint, {"failing_since": now()}, failing_since=None
        ):
            await self._endpoints.changed(endpoint.agent_id)

    async def disable(self, endpoint: StoredEndpoint, reason: Reason) -> None:
        """Stop calling an endpoint, and tell its owner."""
        changes = {
            "disabled": True,
            "disabled_reason": reason,
            "disabled_at": now(),
            "told": False,
        }
        if await self._store.change(endpoint, changes, disabled=False):
            log.warning("webhook.disabled", endpoint_id=endpoint.id, reason=reason)
        await self._endpoints.changed(endpoint.agent_id)
        await self.tell(endpoint)

    async def tell(self, endpoint: StoredEndpoint) -> None:
        """Publish that an endpoint was disabled, unless that is done."""
        disabled = await self._store.get(endpoint.agent_id, endpoint.id)
        if disabled is None or disabled.told or disabled.disabled_at is None:
            return
        moment = int(disabled.disabled_at.timestamp() * 1000)
        await self._bus.emit(
            WebhookDisabled(
                # The same for every process that tries, and for this one after a crash.
                event_id=f"evt_disabled_{disabled.id}_{moment}",
                account_id=disabled.account_id,
                agent_id=disabled.agent_id,
                at=disabled.disabled_at,
                endpoint_id=disabled.id,
                name=disabled.name,
                endpoint_url=disabled.url,
                reason="gone" if disabled.disabled_reason == "gone" else "failing",
                failing_since=disabled.failing_since,
            )
        )
        await self._store.change(disabled, {"told": True})
        await self._endpoints.changed(endpoint.agent_id)
