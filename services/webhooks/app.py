"""Wires the webhooks service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing

import httpx

from libs.bus.bus import Bus, open_bus
from libs.egress.resolve import Resolver
from libs.egress.safe_transport import open_client
from libs.egress.safe_url import anything, is_public
from libs.runtime.health import answer_probes
from libs.runtime.mongo import Database, open_mongo, ping_mongo
from services.webhooks.directory import Directory
from services.webhooks.dispatch import Dispatcher
from services.webhooks.endpoints import Endpoints
from services.webhooks.handlers import register
from services.webhooks.lanes import Lanes
from services.webhooks.settings import WebhooksSettings
from services.webhooks.store import EndpointStore

POOLS = 64
"""Small connection pools that the endpoints are spread over."""
STOP_GRACE = 2.0
"""Seconds that attempts get to end when the process stops; others are made again by the next."""


@asynccontextmanager
async def run() -> AsyncIterator[None]:
    """Serve webhooks until the block ends."""
    settings = WebhooksSettings.load()
    lanes = _lanes(settings)
    # The bus is opened last: it finishes what is running before the things below it close.
    with closing(Resolver()) as resolver:
        async with (
            open_mongo(settings.mongo_url, settings.mongo_database) as database,
            open_client(
                resolver,
                allowed=anything if settings.webhooks_allow_private else is_public,
                connect_timeout=settings.webhook_connect_timeout,
                pools=POOLS,
            ) as client,
            open_bus(settings.nats_url, "webhooks", settings.nats_replicas) as bus,
        ):
            await _react(settings, database, resolver, client, lanes, bus)
            try:
                yield
            finally:
                lanes.close(STOP_GRACE)


async def _react(
    settings: WebhooksSettings,
    database: Database,
    resolver: Resolver,
    client: httpx.AsyncClient,
    lanes: Lanes,
    bus: Bus,
) -> None:
    store = EndpointStore(database)
    await store.create_indexes()
    directory = Directory(store, settings.webhook_cache_seconds)
    bus.on_reconnect(directory.forget_everything)
    endpoints = Endpoints(bus, store, directory, resolver, settings)
    dispatcher = Dispatcher(bus, directory, endpoints, lanes, client, settings)
    slots = settings.webhook_concurrency + settings.webhook_waiting
    await register(bus, endpoints, directory, dispatcher, slots)
    answer_probes(bus, "webhooks", {"mongo": lambda: ping_mongo(database)})
    await bus.start()


def _lanes(settings: WebhooksSettings) -> Lanes:
    return Lanes(
        each=settings.webhook_endpoint_concurrency,
        waiting_each=settings.webhook_endpoint_waiting,
        at_once=settings.webhook_concurrency,
        waiting=settings.webhook_waiting,
    )
