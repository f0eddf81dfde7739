"""Wires the webhooks service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from functools import partial

import httpx

from libs.bus.bus import Bus, open_bus
from libs.bus.health import answer_probes
from libs.egress.resolve import Resolver
from libs.egress.safe_transport import open_client
from libs.egress.safe_url import Allowed, any_of, is_loopback, public_or_in
from libs.runtime.deleted_agents import SWEEP_EVERY, DeletedAgents
from libs.runtime.mongo import Database, open_mongo, ping_mongo
from libs.runtime.tasks import background
from services.webhooks.endpoints.calls import EndpointCalls
from services.webhooks.endpoints.health import EndpointHealth
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.endpoints.store import EndpointStore
from services.webhooks.forgetting import AgentCleanup
from services.webhooks.handlers import register
from services.webhooks.happenings import Happenings
from services.webhooks.sending.attempt import Sender
from services.webhooks.sending.lanes import Lanes
from services.webhooks.sending.log import DeliveryLog
from services.webhooks.sending.queue import Dispatcher
from services.webhooks.sending.replays import Replays
from services.webhooks.settings import WebhooksSettings

POOLS = 64
"""Small connection pools that the endpoints are spread over."""
NOTING = 1000
"""Deliveries that a process may have in its hands beside those that are sent or wait: they are
being noted in the log.
"""
STOP_GRACE = 2.0
"""Seconds that attempts get to end when the process stops; others are made again by the next."""


@asynccontextmanager
async def run() -> AsyncIterator[None]:
    """Serve webhooks until the block ends."""
    settings = WebhooksSettings.load()
    lanes = _lanes(settings)
    allowed = _allowed(settings)
    # The bus is opened last: it finishes what is running before the things below it close.
    with closing(_resolver(settings)) as resolver:
        async with (
            open_mongo(settings.mongo_url, settings.mongo_database) as database,
            open_client(
                resolver,
                allowed=allowed,
                connect_timeout=settings.webhook_connect_timeout,
                pools=POOLS,
            ) as client,
            open_bus(settings.nats_url, "webhooks", settings.nats_replicas) as bus,
        ):
            deleted = DeletedAgents(database, "webhooks")
            agents = await _react(
                settings, database, deleted, resolver, allowed, client, lanes, bus
            )
            sweep = partial(deleted.sweep, agents.forget)
            async with background("deleted_agents", sweep, every=SWEEP_EVERY):
                try:
                    yield
                finally:
                    lanes.close(STOP_GRACE)


async def _react(
    settings: WebhooksSettings,
    database: Database,
    deleted: DeletedAgents,
    resolver: Resolver,
    allowed: Allowed,
    client: httpx.AsyncClient,
    lanes: Lanes,
    bus: Bus,
) -> AgentCleanup:
    store = EndpointStore(database)
    log = DeliveryLog(
        database, days=settings.webhook_log_days, attempts=settings.webhook_log_attempts
    )
    await deleted.create_indexes()
    await store.create_indexes()
    await log.create_indexes()
    directory = KnownEndpoints(bus, store, settings.webhook_cache_seconds)
    endpoints = EndpointCalls(bus, store, directory, resolver, allowed, settings)
    health = EndpointHealth(bus, store, endpoints, settings.webhook_disable_after)
    sender = Sender(
        client, timeout=settings.webhook_timeout, snippet=settings.webhook_response_bytes
    )
    dispatcher = Dispatcher(bus, store, directory, health, lanes, sender, log, settings)
    agents = AgentCleanup(deleted, store, log, endpoints)
    await register(
        bus,
        endpoints,
        Replays(bus, endpoints, log),
        Happenings(bus, agents, directory),
        directory,
        dispatcher,
        slots=settings.webhook_concurrency + settings.webhook_waiting + NOTING,
    )
    answer_probes(bus, "webhooks", {"mongo": lambda: ping_mongo(database)})
    await bus.start()
    return agents


def _allowed(settings: WebhooksSettings) -> Allowed:
    public_or_own = public_or_in(settings.webhook_allowed_networks)
    if settings.webhooks_allow_private:
        return any_of(public_or_own, is_loopback)
    return public_or_own


def _resolver(settings: WebhooksSettings) -> Resolver:
    return Resolver(settings.webhook_lookups, settings.webhook_lookups_per_account)


def _lanes(settings: WebhooksSettings) -> Lanes:
    return Lanes(
        each=settings.webhook_endpoint_concurrency,
        waiting_each=settings.webhook_endpoint_waiting,
        at_once=settings.webhook_concurrency,
        waiting=settings.webhook_waiting,
        of_account=settings.webhook_account_concurrency,
        waiting_of_account=settings.webhook_account_waiting,
    )
