"""One event → one delivery for each endpoint that wants it."""

import asyncio

from libs.bus.bus import Bus
from libs.contracts import events, subjects
from libs.contracts.webhooks import Delivery
from services.webhooks.directory import Directory
from services.webhooks.payload import body_of


async def fan_out(event: events.Event, directory: Directory, bus: Bus) -> None:
    """Queue the deliveries of an offered event. Raises ServiceUnavailable when one is not safe."""
    name = events.name_of(type(event))
    endpoints = await directory.subscribers(event.agent_id, name)
    if not endpoints:
        return
    body = body_of(event)
    deliveries = [
        Delivery(
            webhook_id=event.event_id,
            endpoint_id=endpoint.id,
            agent_id=event.agent_id,
            event=name,
            body=body,
        )
        for endpoint in endpoints
    ]
    await asyncio.gather(*(queue(delivery, bus) for delivery in deliveries))


async def queue(delivery: Delivery, bus: Bus) -> None:
    """Put an attempt on the queue of its endpoint."""
    # The id protects from queueing an attempt twice when its event, or the attempt before it, is
    # redelivered after a crash.
    await bus.send(
        subjects.delivery(delivery.endpoint_id),
        delivery,
        f"{delivery.webhook_id}:{delivery.endpoint_id}:{delivery.attempt}",
    )
