"""Who is calling, and may they: keys, origins, scopes, rate limits.

Runs as middleware, before anything of the request is looked at, so that without a valid key
nothing else can be learned or spent.
"""

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from typing import Any

from litestar.connection import ASGIConnection
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp

from libs.contracts.accounts import Account
from services.api.edge.key_usage import KeyUsage
from services.api.edge.known import KnownCallers
from services.api.edge.limits import (
    Limit,
    RateLimiter,
    account_limits,
    page_limits,
    quota_of,
    visitor_limits,
)
from services.api.http.addresses import client_network
from services.api.http.errors import Forbidden, InvalidApiKey, OriginNotAllowed, RateLimited
from services.api.http.slow_down import Refusals
from services.api.settings import ApiSettings
from services.api.store.keys import Key

SECRET = re.compile(r"(sk|pk)_[A-Za-z0-9_-]{20,100}")
VISITOR_TOKEN = re.compile(r"vt_[A-Za-z0-9_-]{43}")


@dataclass(frozen=True)
class Caller:
    """The account and key behind a request; for a publishable key, the visitor as well.

    `seen_from` is the network and the page that it came from: all that is known of a visitor who
    has no token yet.
    """

    account: Account
    key: Key
    visitor_token: str | None = None
    seen_from: tuple[str, str] = ("", "")

    @property
    def publishable(self) -> bool:
        """Whether the key is one that anybody can read in a web page."""
        return self.key.type == "publishable"

    @property
    def visitor(self) -> str | None:
        """The hash of the visitor's token, None without one."""
        return visitor_hash(self.visitor_token) if self.visitor_token else None

    def may_use(self, agent_id: str) -> bool:
        """Whether the key's scope covers an agent."""
        return self.key.agent_id is None or self.key.agent_id == agent_id

    @property
    def of_account(self) -> bool:
        """Whether the key is the whole account's."""
        return not self.publishable and self.key.agent_id is None

    def may_read(self, visitor: str | None) -> bool:
        """Whether a conversation of this visitor is the caller's to see."""
        if not self.publishable:
            return True
        return None not in (visitor, self.visitor) and hmac.compare_digest(
            str(visitor), str(self.visitor)
        )

    def require_secret(self) -> None:
        """Raise Forbidden unless the key is a secret one."""
        if self.publishable:
            raise Forbidden("A publishable key can only chat. Use a secret key for this.")

    def require_account_key(self) -> None:
        """Raise Forbidden unless the key is the whole account's."""
        self.require_secret()
        if not self.of_account:
            raise Forbidden("This key belongs to one agent. Use a key of the account for this.")


class Authentication(AbstractAuthenticationMiddleware):
    """Sets `request.user` to the Caller and the rate limit windows in the scope's state."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        directory: KnownCallers,
        limiter: RateLimiter,
        usage: KeyUsage,
        settings: ApiSettings,
    ) -> None:
        super().__init__(app, exclude="^/docs", exclude_from_auth_key="public")
        self._directory = directory
        self._limiter = limiter
        self._usage = usage
        self._settings = settings
        self._refusals = Refusals(settings.refusals_at_once)

    async def authenticate_request(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        """Identify the caller. Raises InvalidApiKey, OriginNotAllowed, RateLimited."""
        try:
            return await self._identify(connection)
        except InvalidApiKey:
            await self._refusals.hold_back(client_network(connection))
            raise

    async def _identify(
        self, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> AuthenticationResult:
        known = await self._directory.by_secret(bearer_token(connection.headers))
        if known is None:
            raise InvalidApiKey("The API key is not valid.")
        account, key = known
        if not key.active:
            raise InvalidApiKey("The API key has expired.")
        page = connection.headers.get("origin", "")
        seen_from = (client_network(connection), page)
        caller = Caller(account, key, visitor_token(connection.headers), seen_from)
        state = connection.scope["state"]
        if caller.publishable:
            check_origin(key, connection.headers.get("origin"))
            state["cors_origin"] = connection.headers.get("origin")
        limits = self._limits(caller, connection)
        state["rate_windows"] = windows = await self._limiter.hit(limits)
        self._usage.add(key.id)
        if windows[-1].exceeded:
            await self._refusals.hold_back(account.id)
            raise RateLimited(windows[-1].wait(time.time()))
        return AuthenticationResult(user=caller, auth=key.id)

    def _limits(
        self, caller: Caller, connection: ASGIConnection[Any, Any, Any, Any]
    ) -> tuple[Limit, ...]:
        account, quota = caller.account, quota_of(caller.account)
        if not caller.publishable:
            return account_limits(account.id, quota)
        of_visitor = visitor_limits(
            caller.key.limit_id,
            client_network(connection),
            caller.visitor_token,
            visitor=self._settings.visitor_requests_per_minute,
            address_total=self._settings.address_requests_per_minute,
        )
        return of_visitor + page_limits(account.id, quota, self._settings.publishable_share)


def bearer_token(headers: Any) -> str:
    """Return the secret of the Authorization header. Raises InvalidApiKey."""
    scheme, _, secret = headers.get("authorization", "").partition(" ")
    if not scheme:
        raise InvalidApiKey("Send an API key: Authorization: Bearer YOUR_API_KEY")
    if scheme.lower() != "bearer" or not SECRET.fullmatch(secret.strip()):
        raise InvalidApiKey("The API key is not valid.")
    return str(secret.strip())


def visitor_token(headers: Any) -> str | None:
    """Return the visitor's token when there is one of the right form."""
    token = headers.get("x-visitor-token", "")
    return token if VISITOR_TOKEN.fullmatch(token) else None


def visitor_hash(token: str) -> str:
    """Return what is stored of a visitor's token."""
    return hashlib.sha256(token.encode()).hexdigest()


def check_origin(key: Key, origin: str | None) -> None:
    """Raise OriginNotAllowed unless the key may be used from this page.

    A request without an Origin comes from no web page; only a key for all origins takes it.
    """
    if "*" in key.allowed_origins or (origin and origin in key.allowed_origins):
        return
    raise OriginNotAllowed("This publishable key may not be used from this origin.")
