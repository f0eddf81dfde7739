"""What webhooks reacts to.

webhooks.…_endpoint     → endpoints/calls.py
webhooks.…_delivery     → sending/replays.py, and resume_endpoint
events.>                agent.deleted → forgetting.py, everything else → sending/fan_out.py
webhooks.deliveries.>   → sending/queue.py
webhooks.replays.>      → sending/replays.py
cache.invalidated       → endpoints/known.py
"""

from nats.aio.msg import Msg

from libs.bus.answers import answer
from libs.bus.bus import Bus
from libs.bus.work import Delivered, work
from libs.contracts import events, subjects, webhooks
from libs.contracts.accounts import CacheInvalidated
from libs.contracts.message import decode
from services.webhooks.endpoints.calls import Endpoints
from services.webhooks.endpoints.known import Directory
from services.webhooks.forgetting import Agents
from services.webhooks.sending.fan_out import fan_out
from services.webhooks.sending.queue import Dispatcher
from services.webhooks.sending.replays import Replays

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
    endpoints: Endpoints,
    replays: Replays,
    agents: Agents,
    directory: Directory,
    dispatcher: Dispatcher,
    slots: int,
) -> None:
    """Subscribe; `slots` is how many deliveries this process has in its hands at once."""
    answer(bus, webhooks.CREATE_ENDPOINT, endpoints.create)
    answer(bus, webhooks.LIST_ENDPOINTS, endpoints.list)
    answer(bus, webhooks.GET_ENDPOINT, endpoints.get)
    answer(bus, webhooks.UPDATE_ENDPOINT, endpoints.update)
    answer(bus, webhooks.DELETE_ENDPOINT, endpoints.delete)
    answer(bus, webhooks.ROTATE_SECRET, endpoints.rotate)
    answer(bus, webhooks.PAUSE_ENDPOINT, endpoints.pause)
    answer(bus, webhooks.RESUME_ENDPOINT, replays.resume)
    answer(bus, webhooks.SEND_TEST, replays.test)
    answer(bus, webhooks.LIST_DELIVERIES, replays.list)
    answer(bus, webhooks.GET_DELIVERY, replays.get)
    answer(bus, webhooks.REPLAY_DELIVERY, replays.replay_one)
    answer(bus, webhooks.REPLAY_FAILED, replays.replay_failed)

    async def happened(delivered: Delivered[events.AnyEvent]) -> None:
        match delivered.message:
            case events.AgentDeleted(agent_id=agent_id):
                await agents.deleted(agent_id)
            case event:
                await fan_out(event, directory, bus)

    work(
        bus,
        subjects.EVENTS,
        "events.>",
        events.AnyEvent,
        happened,
        durable="webhooks_events",
        slots=EVENTS_AT_ONCE,
    )
    work(
        bus,
        subjects.DELIVERIES,
        "webhooks.deliveries.>",
        webhooks.Delivery,
        dispatcher.handle,
        durable="webhooks_deliveries",
        slots=slots,
        max_attempts=PATIENCE,
    )

    work(
        bus,
        subjects.DELIVERIES,
        "webhooks.replays.>",
        webhooks.Replay,
        replays.run,
        durable="webhooks_replays",
        slots=REPLAYS_AT_ONCE,
        max_attempts=PATIENCE,
    )

    async def changed(message: Msg) -> None:
        directory.forget(*decode(message.data, CacheInvalidated).ids)

    # Every process gets every one of these: a plain subscription, without a queue group.
    await bus.client.subscribe(subjects.CACHE_INVALIDATED, cb=changed)
