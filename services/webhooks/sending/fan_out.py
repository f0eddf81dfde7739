"""One event → one delivery for each endpoint that wants it."""

import asyncio

from libs.bus.bus import Bus
from libs.contracts import events, subjects
from libs.contracts.webhooks import Delivery
from services.webhooks.endpoints.known import Directory
from services.webhooks.request.body import OF_ACCOUNT, body_of
from services.webhooks.sending.log import delivery_id


async def fan_out(event: events.Event, directory: Directory, bus: Bus) -> None:
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
    await asyncio.gather(*(queue(delivery, bus) for delivery in deliveries))


async def queue(delivery: Delivery, bus: Bus) -> None:
    """Put an attempt on the queue of its endpoint."""
    # The id protects from queueing an attempt twice when its event, or the attempt before it, is
    # redelivered after a crash. A replay counts its own attempts.
    attempt = f"{delivery.webhook_id}:{delivery.endpoint_id}:{delivery.attempt}"
    message_id = f"{attempt}:{delivery.replay_id}" if delivery.replay_id else attempt
    await bus.send(subjects.delivery(delivery.endpoint_id), delivery, message_id)
