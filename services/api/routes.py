"""The Litestar application: routes, what they are given, errors, limits, documentation."""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from litestar import Litestar
from litestar.di import Provide
from litestar.middleware import DefineMiddleware
from litestar.router import Router
from litestar.types import ASGIApp, Middleware

from libs.bus.bus import Bus
from libs.bus.files import Files
from libs.bus.health import Check
from services.api.chat import messages
from services.api.chat import send as chat
from services.api.chat.accept import Acceptance
from services.api.chat.cancel import Cancelling
from services.api.chat.grounding import Grounding
from services.api.chat.idempotency import Idempotency
from services.api.chat.reconnect import Reconnecting
from services.api.chat.replies import Replies
from services.api.chat.room import Admission
from services.api.chat.stream import Relay
from services.api.conversations import feedback
from services.api.conversations import read as conversations
from services.api.edge import health
from services.api.edge.auth import Authentication
from services.api.edge.fair_order import ChangesInFairOrder, FairOrder, Present
from services.api.edge.key_usage import KeyUsage
from services.api.edge.known import KnownCallers
from services.api.edge.limits import RateLimiter
from services.api.edge.middleware import (
    Edge,
    add_headers,
    allowed_methods,
    few_parameters,
    media_type_only,
)
from services.api.edge.own_agent import managed_agent
from services.api.http.bodies import TypedRequest
from services.api.http.errors import respond
from services.api.http.reference import (
    assets_router,
    bus_document,
    document_bodies,
    document_errors,
    openapi_config,
)
from services.api.http.slow_down import Refusals
from services.api.manage import agents, deliveries, keys, sources, usage, webhooks
from services.api.manage.creations import Creations
from services.api.manage.upload_share import UploadShare
from services.api.settings import ApiSettings
from services.api.store.agents import Agents
from services.api.store.conversations import Conversations
from services.api.store.idempotency import Claims
from services.api.store.keys import Keys

ROUTES = (
    chat.send_message,
    messages.resume_stream,
    messages.cancel_message,
    feedback.give_feedback,
    conversations.get_conversation,
    conversations.list_conversations,
    agents.create_agent,
    agents.list_agents,
    agents.get_agent,
    agents.update_agent,
    agents.delete_agent,
    sources.reindex_source,
    keys.create_key,
    keys.list_keys,
    keys.rotate_key,
    keys.revoke_key,
    webhooks.create_webhook,
    webhooks.list_webhooks,
    webhooks.get_webhook,
    webhooks.update_webhook,
    webhooks.delete_webhook,
    webhooks.pause_webhook,
    webhooks.resume_webhook,
    webhooks.rotate_webhook,
    deliveries.list_deliveries,
    deliveries.get_delivery,
    deliveries.replay_delivery,
    deliveries.replay_failed,
    deliveries.send_test,
    deliveries.list_events,
    usage.get_credits,
    usage.list_ledger,
    usage.get_usage,
    health.healthz,
    health.readyz,
)


@dataclass(frozen=True, kw_only=True)
class Given:
    """What a handler can ask for, by its parameter's name."""

    settings: ApiSettings
    bus: Bus
    files: Files
    directory: KnownCallers
    agents: Agents
    keys: Keys
    creations: Creations
    conversations: Conversations
    sending: chat.Sending
    admission: Admission
    cancelling: Cancelling
    relay: Relay
    probes: health.Probes


GIVEN = tuple(field.name for field in fields(Given))


def build(
    *,
    settings: ApiSettings,
    bus: Bus,
    files: Files,
    directory: KnownCallers,
    usage: KeyUsage,
    replies: Replies,
    agents: Agents,
    keys: Keys,
    conversations: Conversations,
    claims: Claims,
    admission: Admission,
    stopping: asyncio.Event,
    checks: Mapping[str, Check],
) -> ASGIApp:
    """Return the application over these parts."""
    grounding = Grounding(bus, at_once=settings.max_grounding_ahead)
    present = Present()
    accepting = FairOrder(settings.accepting_per_account, present)
    idempotency = Idempotency(claims, conversations)
    acceptance = Acceptance(
        bus, replies, conversations, grounding, idempotency, settings, accepting
    )
    cancelling = Cancelling(bus, replies, conversations, stopping)
    relay = Relay(replies, acceptance, cancelling)
    limiter = RateLimiter(bus)
    given = Given(
        settings=settings,
        bus=bus,
        files=files,
        directory=directory,
        agents=agents,
        keys=keys,
        creations=Creations(limiter, settings.creations_per_hour),
        conversations=conversations,
        sending=chat.Sending(
            settings=settings,
            directory=directory,
            admission=admission,
            acceptance=acceptance,
            reconnecting=Reconnecting(conversations),
            relay=relay,
        ),
        admission=admission,
        cancelling=cancelling,
        relay=relay,
        probes=health.Probes(bus, checks, settings.readiness_seconds),
    )
    authentication = DefineMiddleware(
        Authentication,
        directory=directory,
        limiter=limiter,
        usage=usage,
        settings=settings,
    )
    changes = DefineMiddleware(
        ChangesInFairOrder, fair=FairOrder(settings.changes_per_account, present)
    )
    app = application(given, settings, [authentication, changes])
    app.state.allowed_methods = allowed_methods(app.routes)
    return Edge(app, directory, Refusals(settings.refusals_at_once))


def application(
    given: Given | None, settings: ApiSettings, middleware: Sequence[Middleware] = ()
) -> Litestar:
    """Return the routes over what they are given; over nothing, they can still be documented."""
    # A source may be larger than any other body. One path's handlers are registered together.
    larger = Router(
        path="/",
        route_handlers=[
            sources.create_source,
            sources.list_sources,
            sources.get_source,
            sources.update_source,
            sources.delete_source,
        ],
        request_max_body_size=settings.max_source_bytes,
    )
    uploads = DefineMiddleware(
        UploadShare, each=settings.uploads_per_account, under_way=Counter[str]()
    )
    largest = Router(
        path="/",
        route_handlers=[sources.upload_file, sources.replace_file],
        request_max_body_size=settings.max_upload_bytes,
        middleware=[uploads],
    )
    app = Litestar(
        route_handlers=[*ROUTES, larger, largest, bus_document, assets_router()],
        dependencies={
            **{name: _provide(getattr(given, name, None)) for name in GIVEN},
            "agent": Provide(managed_agent),
        },
        middleware=middleware,
        guards=[few_parameters, media_type_only],
        request_class=TypedRequest,
        before_send=[add_headers],
        exception_handlers={Exception: respond},
        request_max_body_size=settings.max_body_bytes,
        openapi_config=openapi_config(),
        logging_config=None,
    )
    document_errors(app.openapi_schema)
    document_bodies(app)
    return app


def _provide(value: Any) -> Provide:
    return Provide(lambda: value, use_cache=True, sync_to_thread=False)
