"""One event → one delivery for each endpoint that wants it."""

import asyncio

from libs.bus.bus import Bus
from libs.contracts import events
from libs.contracts.queues import WEBHOOK_DELIVERIES
from libs.contracts.webhooks import Delivery
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.request.body import OF_ACCOUNT, body_of
from services.webhooks.sending.log import delivery_id


async def fan_out(event: events.Event, directory: KnownEndpoints, bus: Bus) -> None:
    """Queue the deliveries of an offered event. Raises ServiceUnavailable when one is not safe."""
    name = events.name_of(type(event))
    if isinstance(event, OF_ACCOUNT):
        endpoints = await directory.subscribers_of_account(event.account_id, name)
    else:
        endpoints = await directory.subscribers(event.agent_id, name)
    bodies = {
        agent_id: body_of(event, agent_id) for agent_id in {one.agent_id for one in endpoints}
    }
    deliveries = [
        Delivery(
            webhook_id=event.event_id,
            endpoint_id=endpoint.id,
            agent_id=endpoint.agent_id,
            event=name,
            body=bodies[endpoint.agent_id],
            delivery_id=delivery_id(event.event_id, endpoint.id, event.at),
            account_id=endpoint.account_id,
        )
        for endpoint in endpoints
    ]
    await asyncio.gather(*(bus.send(WEBHOOK_DELIVERIES, delivery) for delivery in deliveries))
