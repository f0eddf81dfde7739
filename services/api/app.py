"""Wires the api service and serves HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

import structlog
import uvicorn
from litestar.types import ASGIApp
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from libs.bus.bus import Bus, open_bus
from libs.bus.files import open_files
from libs.bus.health import answer_probes
from libs.runtime.deleted_agents import SWEEP_EVERY, DeletedAgents
from libs.runtime.mongo import Database, open_mongo, ping_mongo
from libs.runtime.settings import SettingsError
from libs.runtime.tasks import background, vital
from services.api.chat.replies import Replies
from services.api.chat.room import LOOK_EVERY, Admission
from services.api.conversations.forgetting import Forgetting
from services.api.conversations.idle import IdleConversations
from services.api.conversations.record import Recorder
from services.api.conversations.unanswered import Unanswered
from services.api.edge.key_usage import KeyUsage
from services.api.edge.known import KnownCallers
from services.api.handlers import register
from services.api.http.heads import HeadBounds
from services.api.http.protocol import Connections, RequestBounds, bounded
from services.api.http.slow_down import Refusals
from services.api.manage.operators import Operators
from services.api.routes import build
from services.api.settings import ApiSettings
from services.api.store.accounts import Accounts
from services.api.store.agents import Agents
from services.api.store.conversations import Conversations
from services.api.store.idempotency import Claims
from services.api.store.keys import Keys
from services.api.store.questions import Questions

log = structlog.get_logger()


@asynccontextmanager
async def run() -> AsyncIterator[None]:
    """Run the edge until the block ends; then finish the open answers."""
    settings = ApiSettings.load()
    stopping = asyncio.Event()
    async with (
        open_mongo(settings.mongo_url, settings.mongo_database) as database,
        open_bus(settings.nats_url, "api", settings.nats_replicas) as bus,
        _application(settings, bus, database, stopping) as app,
        _http(app, settings, stopping),
    ):
        yield


@asynccontextmanager
async def _application(
    settings: ApiSettings, bus: Bus, database: Database, stopping: asyncio.Event
) -> AsyncIterator[ASGIApp]:
    accounts, keys, agents = Accounts(database), Keys(database), Agents(database)
    conversations, claims = Conversations(database), Claims(database)
    for store in (keys, agents, conversations, claims):
        await store.create_indexes()
    directory = KnownCallers(
        bus, accounts, keys, agents, size=settings.cache_size, ttl=settings.cache_ttl
    )
    usage = KeyUsage(keys)
    replies = Replies(
        bus,
        conversations,
        silence=settings.heartbeat_interval,
        timeout=settings.answer_timeout,
    )
    await replies.start()
    admission = Admission(
        bus,
        replies.line,
        open_answers=settings.max_open_answers,
        open_answers_each=settings.answers_per_account,
        waiting=settings.max_waiting_questions,
        waiting_each=settings.waiting_per_account,
    )
    deleted = DeletedAgents(database, "api")
    await deleted.create_indexes()
    forgetting = Forgetting(deleted, directory, agents, keys, conversations)
    operators = Operators(bus, directory, accounts, keys)
    await register(bus, directory, operators, Recorder(bus, conversations), forgetting)
    checks = {"mongo": lambda: ping_mongo(database), "nats": bus.ping}
    answer_probes(bus, "api", checks)
    await bus.start()
    idle = IdleConversations(
        bus,
        conversations,
        timeout=settings.conversation_idle_seconds,
    )
    unanswered = Unanswered(
        bus,
        conversations,
        Questions(database, conversations),
        patience=settings.unanswered_after,
    )
    async with (
        background("idle", idle.sweep_all, every=settings.conversation_sweep_interval),
        background("unanswered", unanswered.sweep_all, every=settings.unanswered_sweep_interval),
        background("key_usage", usage.write, every=settings.key_usage_interval),
        background("admission", admission.look, every=LOOK_EVERY),
        background("deleted_agents", partial(deleted.sweep, forgetting.forget), every=SWEEP_EVERY),
    ):
        yield build(
            settings=settings,
            bus=bus,
            files=await open_files(bus, settings.nats_replicas),
            directory=directory,
            usage=usage,
            replies=replies,
            agents=agents,
            keys=keys,
            conversations=conversations,
            claims=claims,
            admission=admission,
            stopping=stopping,
            checks=checks,
        )
    await usage.write()


class _Server(uvicorn.Server):
    """A server that leaves the process's signals to services/__main__.py."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


@asynccontextmanager
async def _http(
    app: ASGIApp, settings: ApiSettings, stopping: asyncio.Event
) -> AsyncIterator[None]:
    """Listen on HOST and PORT; on exit stop accepting, then let open requests finish."""
    edge: Any = app  # the two libraries describe ASGI in types of their own
    proxied = ProxyHeadersMiddleware(edge, settings.trusted_proxies)
    config = uvicorn.Config(
        proxied,
        http=bounded(
            _bounds(settings),
            Connections(
                settings.max_connections_per_address,
                proxied.trusted_hosts.__contains__,
                Refusals(settings.refusals_at_once),
            ),
        ),
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=settings.keep_alive_timeout,
        timeout_graceful_shutdown=int(settings.drain_timeout),
    )
    server = _Server(config)
    serving = asyncio.create_task(server.serve(sockets=[_listen(settings)]))
    vital(serving, "http")
    log.info("api.listening", host=settings.host, port=settings.port)
    try:
        yield
    finally:
        stopping.set()
        server.should_exit = True
        await serving


def _bounds(settings: ApiSettings) -> RequestBounds:
    return RequestBounds(
        head=HeadBounds(
            size=settings.max_header_bytes,
            line=settings.max_url_bytes,
            headers=settings.max_headers,
        ),
        body=max(settings.max_body_bytes, settings.max_source_bytes, settings.max_upload_bytes),
        patience=settings.request_timeout,
        rate=settings.min_body_rate,
    )


def _listen(settings: ApiSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        listener = socket.create_server(
            (settings.host, settings.port), family=family, backlog=2048, reuse_port=False
        )
    except OSError as error:
        raise SettingsError(
            f"Can't listen on {settings.host}:{settings.port}: {error.strerror}. "
            "Set PORT to another."
        ) from error
    _let_go(listener, settings.client_timeout)
    return listener


def _let_go(listener: socket.socket, timeout: float) -> None:
    """Let the kernel end connections whose client acknowledges or takes nothing for so long.

    Connections inherit it. Where the kernel knows no such option, clients are let go when the
    kernel's own patience ends.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(timeout * 1000))
