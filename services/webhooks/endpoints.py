"""Creating, listing and deleting endpoints; whatever changes is told to all processes."""

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts import subjects, webhooks
from libs.contracts.accounts import CacheInvalidated
from libs.contracts.calls import Done
from libs.egress.resolve import ResolveError, Resolver
from libs.egress.safe_url import UnsafeUrl, is_public, parse_target
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from services.webhooks.directory import Directory
from services.webhooks.settings import WebhooksSettings
from services.webhooks.sign import SECRET_PREFIX, new_signing_secret
from services.webhooks.store import EndpointStore, StoredEndpoint
from services.webhooks.validate import (
    check_description,
    check_events,
    check_headers,
    check_name,
)

log = structlog.get_logger()

LOOKUP_TIMEOUT = 1.0
"""Seconds to find a new endpoint's host: less than the caller waits for the answer."""
MASK = "…"


class Endpoints:
    """What the calls about endpoints do."""

    def __init__(
        self,
        bus: Bus,
        store: EndpointStore,
        directory: Directory,
        resolver: Resolver,
        settings: WebhooksSettings,
    ) -> None:
        self._bus = bus
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._settings = settings

    async def create(self, request: webhooks.CreateEndpoint) -> webhooks.EndpointCreated:
        """Register an endpoint. Raises FaultError `invalid`, naming the field."""
        endpoint = self._checked(request)
        await self._check_target(request.endpoint_url)
        await self._check_room(request.agent_id)
        await self._store.add(endpoint)
        await self._changed(endpoint.agent_id)
        log.info("webhook.created", endpoint_id=endpoint.id, agent_id=endpoint.agent_id)
        return webhooks.EndpointCreated(id=endpoint.id, secret_key=endpoint.secret)

    async def list(self, request: webhooks.ListEndpoints) -> webhooks.Endpoints:
        """Return an agent's endpoints, newest first, secrets masked."""
        endpoints = await self._store.of_agent(request.agent_id)
        return webhooks.Endpoints(items=tuple(_shown(endpoint) for endpoint in endpoints))

    async def delete(self, request: webhooks.DeleteEndpoint) -> Done:
        """Remove an endpoint. Raises FaultError `not_found`."""
        if not await self._store.delete(request.agent_id, request.endpoint_id):
            raise FaultError("not_found", "the agent has no such webhook")
        await self._changed(request.agent_id)
        log.info("webhook.deleted", endpoint_id=request.endpoint_id, agent_id=request.agent_id)
        return Done()

    async def disable(self, endpoint: StoredEndpoint) -> None:
        """Stop calling an endpoint whose receiver says that it is gone for good."""
        await self._store.disable(endpoint.agent_id, endpoint.id)
        await self._changed(endpoint.agent_id)
        log.warning("webhook.disabled", endpoint_id=endpoint.id, agent_id=endpoint.agent_id)

    async def forget_agent(self, agent_id: str) -> None:
        """Remove all endpoints of a deleted agent."""
        await self._store.delete_of_agent(agent_id)
        await self._changed(agent_id)

    def _checked(self, request: webhooks.CreateEndpoint) -> StoredEndpoint:
        limits = self._settings
        return StoredEndpoint(
            id=new_id("wh"),
            account_id=request.account_id,
            agent_id=request.agent_id,
            name=check_name(request.name),
            url=request.endpoint_url,
            events=check_events(request.events),
            description=check_description(request.description),
            headers=check_headers(
                request.custom_headers,
                most=limits.webhook_headers_max,
                most_bytes=limits.webhook_headers_bytes,
            ),
            secret=new_signing_secret(),
            created_at=now(),
        )

    async def _check_target(self, url: str) -> None:
        private_too = self._settings.webhooks_allow_private
        try:
            target = parse_target(url, schemes=("https", "http") if private_too else ("https",))
            if private_too:
                return
            addresses = await self._resolver.addresses(target.raw_host.decode(), LOOKUP_TIMEOUT)
        except (UnsafeUrl, ResolveError) as error:
            raise _refused(f"endpoint_url {error}") from error
        if not all(map(is_public, addresses)):
            raise _refused("endpoint_url must not point to a private or local address")

    async def _check_room(self, agent_id: str) -> None:
        # Two at once can end one above the limit, which only keeps the fan-out of an event small.
        most = self._settings.webhook_endpoints_per_agent
        if len(await self._store.of_agent(agent_id)) >= most:
            raise FaultError("invalid", f"an agent can have {most} webhooks at most")

    async def _changed(self, agent_id: str) -> None:
        self._directory.forget(agent_id)
        await self._bus.tell(subjects.CACHE_INVALIDATED, CacheInvalidated(ids=(agent_id,)))


def _refused(problem: str) -> FaultError:
    return FaultError("invalid", problem, param="endpoint_url")


def _shown(endpoint: StoredEndpoint) -> webhooks.Endpoint:
    return webhooks.Endpoint(
        id=endpoint.id,
        agent_id=endpoint.agent_id,
        name=endpoint.name,
        endpoint_url=endpoint.url,
        events=endpoint.events,
        description=endpoint.description,
        custom_headers={name: MASK for name, _ in endpoint.headers},
        secret_key=f"{SECRET_PREFIX}{MASK}{endpoint.secret[-4:]}",
        created_at=endpoint.created_at,
        disabled=endpoint.disabled,
    )
