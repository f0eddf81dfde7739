"""What webhooks reacts to.

webhooks.…_endpoint     → endpoints/calls.py
webhooks.…_delivery     → sending/replays.py, and resume_endpoint
events.>                → happenings.py
webhooks.deliveries.>   → sending/queue.py
webhooks.replays.>      → sending/replays.py
cache.invalidated       → endpoints/known.py
"""

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.bus.queues import consume
from libs.bus.topics import listen
from libs.contracts import webhooks
from libs.contracts.queues import (
    CACHE_INVALIDATED,
    EVERY_EVENT,
    WEBHOOK_DELIVERIES,
    WEBHOOK_REPLAYS,
)
from services.webhooks.endpoints.calls import EndpointCalls
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.happenings import Happenings
from services.webhooks.sending.queue import Dispatcher
from services.webhooks.sending.replays import Replays

SERVICE = "webhooks"
EVENTS_AT_ONCE = 100
"""Events that one process fans out at a time."""
REPLAYS_AT_ONCE = 4
"""Replays that one process works on at a time."""
PATIENCE = 10_000
"""How often a delivery, or a replay, may come up before it becomes a dead letter; failed attempts
are counted in the message itself. It comes up again whenever its endpoint is too busy, which says
nothing against it: with the waits between, this is some days.
"""


async def register(
    bus: Bus,
    endpoints: EndpointCalls,
    replays: Replays,
    happenings: Happenings,
    directory: KnownEndpoints,
    dispatcher: Dispatcher,
    slots: int,
) -> None:
    """Subscribe; `slots` is how many deliveries this process has in its hands at once."""
    serve_call(bus, webhooks.CREATE_ENDPOINT, endpoints.create)
    serve_call(bus, webhooks.LIST_ENDPOINTS, endpoints.list)
    serve_call(bus, webhooks.GET_ENDPOINT, endpoints.get)
    serve_call(bus, webhooks.UPDATE_ENDPOINT, endpoints.update)
    serve_call(bus, webhooks.DELETE_ENDPOINT, endpoints.delete)
    serve_call(bus, webhooks.ROTATE_SECRET, endpoints.rotate)
    serve_call(bus, webhooks.PAUSE_ENDPOINT, endpoints.pause)
    serve_call(bus, webhooks.RESUME_ENDPOINT, replays.resume)
    serve_call(bus, webhooks.SEND_TEST, replays.test)
    serve_call(bus, webhooks.LIST_DELIVERIES, replays.list)
    serve_call(bus, webhooks.GET_DELIVERY, replays.get)
    serve_call(bus, webhooks.REPLAY_DELIVERY, replays.replay_one)
    serve_call(bus, webhooks.REPLAY_FAILED, replays.replay_failed)

    consume(bus, EVERY_EVENT, happenings.happened, by=SERVICE, slots=EVENTS_AT_ONCE)
    consume(
        bus,
        WEBHOOK_DELIVERIES,
        dispatcher.handle,
        by=SERVICE,
        slots=slots,
        max_attempts=PATIENCE,
    )
    consume(
        bus,
        WEBHOOK_REPLAYS,
        replays.run,
        by=SERVICE,
        slots=REPLAYS_AT_ONCE,
        max_attempts=PATIENCE,
    )
    await listen(bus, CACHE_INVALIDATED, directory.invalidated)
