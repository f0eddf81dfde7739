"""Creating, reading, changing and deleting endpoints; what changes is told to all processes."""

from datetime import timedelta
from typing import Any

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts import webhooks
from libs.contracts.accounts import CacheInvalidated
from libs.contracts.calls import Done
from libs.contracts.queues import CACHE_INVALIDATED
from libs.egress.resolve import ResolveError, Resolver, looking_up_for
from libs.egress.safe_url import Allowed, UnsafeUrl, parse_target
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from services.webhooks.endpoints.known import KnownEndpoints
from services.webhooks.endpoints.store import EndpointStore, StoredEndpoint, kept_headers
from services.webhooks.endpoints.validate import (
    check_description,
    check_events,
    check_headers,
    check_name,
)
from services.webhooks.request.sign import SECRET_PREFIX, new_signing_secret
from services.webhooks.settings import WebhooksSettings

log = structlog.get_logger()

LOOKUP_TIMEOUT = 1.0
"""Seconds to find an endpoint's host: less than the caller waits for the answer."""
MASK = "…"


class EndpointCalls:
    """What the calls about endpoints do. `allowed` says which addresses they may have."""

    def __init__(
        self,
        bus: Bus,
        store: EndpointStore,
        directory: KnownEndpoints,
        resolver: Resolver,
        allowed: Allowed,
        settings: WebhooksSettings,
    ) -> None:
        self._bus = bus
        self._store = store
        self._directory = directory
        self._resolver = resolver
        self._allowed = allowed
        self._settings = settings

    async def create(self, request: webhooks.CreateEndpoint) -> webhooks.EndpointCreated:
        """Register an endpoint. Raises FaultError `invalid`, naming the field."""
        endpoint = StoredEndpoint(
            id=new_id("wh"),
            account_id=request.account_id,
            agent_id=request.agent_id,
            name=check_name(request.name),
            url=request.endpoint_url,
            events=check_events(request.events),
            description=check_description(request.description),
            headers=self._checked_headers(request.custom_headers),
            secret=new_signing_secret(),
            created_at=now(),
        )
        await self._check_target(request.account_id, request.endpoint_url)
        await self._check_room(request.agent_id)
        await self._store.add(endpoint)
        if await self._store.took_back(endpoint):
            raise FaultError("not_found", "the agent was deleted", "agent_id")
        await self._check_place(endpoint)
        await self.changed(endpoint.agent_id)
        log.info("webhook.created", endpoint_id=endpoint.id, agent_id=endpoint.agent_id)
        return webhooks.EndpointCreated(id=endpoint.id, secret_key=endpoint.secret)

    async def list(self, request: webhooks.ListEndpoints) -> webhooks.Endpoints:
        """Return an agent's endpoints, newest first, secrets masked."""
        endpoints = await self._store.of_agent(request.agent_id)
        return webhooks.Endpoints(items=tuple(_shown(endpoint) for endpoint in endpoints))

    async def get(self, request: webhooks.GetEndpoint) -> webhooks.EndpointFound:
        """Return one endpoint. Raises FaultError `not_found`."""
        endpoint = await self.find(request.agent_id, request.endpoint_id)
        return webhooks.EndpointFound(endpoint=_shown(endpoint))

    async def update(self, request: webhooks.UpdateEndpoint) -> webhooks.EndpointFound:
        """Change what is given. Raises FaultError `not_found` and, naming the field, `invalid`."""
        endpoint = await self.find(request.agent_id, request.endpoint_id)
        changes = self._checked_changes(request)
        if request.endpoint_url is not None:
            await self._check_target(endpoint.account_id, request.endpoint_url)
        return await self._change(endpoint, changes)

    async def pause(self, request: webhooks.PauseEndpoint) -> webhooks.EndpointFound:
        """Stop sending. Raises FaultError `not_found`."""
        endpoint = await self.find(request.agent_id, request.endpoint_id)
        return await self._change(endpoint, {"paused": True})

    async def rotate(self, request: webhooks.RotateSecret) -> webhooks.SecretRotated:
        """Put a new secret in the place of the old one. Raises FaultError `not_found`."""
        endpoint = await self.find(request.agent_id, request.endpoint_id)
        overlap = request.overlap
        if overlap is None:
            overlap = self._settings.webhook_secret_overlap
        until = now() + timedelta(seconds=overlap)
        secret = new_signing_secret()
        changes = {"secret": secret, "old_secret": endpoint.secret, "old_secret_until": until}
        # Of two at once one must fail: its caller would be left with a secret that never was.
        if not await self._store.change(endpoint, changes, secret=endpoint.secret):
            raise FaultError("conflict", "the secret was rotated by another request just now")
        await self.changed(endpoint.agent_id)
        log.info("webhook.rotated", endpoint_id=endpoint.id, agent_id=endpoint.agent_id)
        return webhooks.SecretRotated(secret_key=secret, previous_secret_until=until)

    async def delete(self, request: webhooks.DeleteEndpoint) -> Done:
        """Remove an endpoint. Raises FaultError `not_found`."""
        if not await self._store.delete(request.agent_id, request.endpoint_id):
            raise _not_found()
        await self.changed(request.agent_id)
        log.info("webhook.deleted", endpoint_id=request.endpoint_id, agent_id=request.agent_id)
        return Done()

    async def find(self, agent_id: str, endpoint_id: str) -> StoredEndpoint:
        """Return an endpoint as it is now. Raises FaultError `not_found`."""
        endpoint = await self._store.get(agent_id, endpoint_id)
        if endpoint is None:
            raise _not_found()
        return endpoint

    async def enable(self, agent_id: str, endpoint_id: str) -> webhooks.EndpointFound:
        """End a pause and what it was disabled for. Raises FaultError `not_found`."""
        endpoint = await self.find(agent_id, endpoint_id)
        changes = {"paused": False, "disabled": False, "disabled_reason": "", "disabled_at": None}
        return await self._change(endpoint, {**changes, "failing_since": None})

    async def changed(self, agent_id: str) -> None:
        """Have all processes forget what they remember of an agent's endpoints."""
        self._directory.forget(agent_id)
        await self._bus.tell(CACHE_INVALIDATED, CacheInvalidated(ids=(agent_id,)))

    async def _change(
        self, endpoint: StoredEndpoint, changes: dict[str, Any]
    ) -> webhooks.EndpointFound:
        if changes:
            await self._store.change(endpoint, changes)
            await self.changed(endpoint.agent_id)
            log.info("webhook.changed", endpoint_id=endpoint.id, fields=sorted(changes))
        return webhooks.EndpointFound(
            endpoint=_shown(await self.find(endpoint.agent_id, endpoint.id))
        )

    def _checked_changes(self, request: webhooks.UpdateEndpoint) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        if request.name is not None:
            changes["name"] = check_name(request.name)
        if request.endpoint_url is not None:
            changes["url"] = request.endpoint_url
        if request.events is not None:
            changes["events"] = list(check_events(request.events))
        if request.description is not None:
            changes["description"] = check_description(request.description)
        if request.custom_headers is not None:
            changes["headers"] = kept_headers(self._checked_headers(request.custom_headers))
        return changes

    def _checked_headers(self, headers: dict[str, str]) -> tuple[tuple[str, str], ...]:
        return check_headers(
            headers,
            most=self._settings.webhook_headers_max,
            most_bytes=self._settings.webhook_headers_bytes,
        )

    async def _check_target(self, account_id: str, url: str) -> None:
        in_development = self._settings.webhooks_allow_private
        try:
            target = parse_target(url, schemes=("https", "http") if in_development else ("https",))
            with looking_up_for(account_id):
                host = target.raw_host.decode()
                addresses = await self._resolver.addresses(host, LOOKUP_TIMEOUT)
        except UnsafeUrl as error:
            raise _refused(f"endpoint_url {error}") from error
        except ResolveError as error:
            if in_development:  # a machine without a network; what it resolves to counts anyway
                return
            raise _refused(f"endpoint_url {error}") from error
        if not all(map(self._allowed, addresses)):
            raise _refused("endpoint_url must not point to a private or local address")

    async def _check_room(self, agent_id: str) -> None:
        if len(await self._store.of_agent(agent_id)) >= self._settings.webhook_endpoints_per_agent:
            raise self._full()

    async def _check_place(self, made: StoredEndpoint) -> None:
        """Take a new one back for which there was no room: others were made at the same time."""
        ids = sorted(endpoint.id for endpoint in await self._store.of_agent(made.agent_id))
        if made.id not in ids[: self._settings.webhook_endpoints_per_agent]:
            await self._store.delete(made.agent_id, made.id)
            raise self._full()

    def _full(self) -> FaultError:
        most = self._settings.webhook_endpoints_per_agent
        return FaultError("invalid", f"an agent can have {most} webhooks at most")


def _not_found() -> FaultError:
    return FaultError("not_found", "the agent has no such webhook")


def _refused(problem: str) -> FaultError:
    return FaultError("invalid", problem, param="endpoint_url")


def _shown(endpoint: StoredEndpoint) -> webhooks.Endpoint:
    until = endpoint.old_secret_until
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
        disabled_reason=endpoint.disabled_reason,
        disabled_at=endpoint.disabled_at,
        failing_since=endpoint.failing_since,
        paused=endpoint.paused,
        previous_secret_until=until if until and until > now() else None,
    )
