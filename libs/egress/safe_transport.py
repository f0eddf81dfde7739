"""An HTTP client that looks a host up, checks every address, and connects to what it checked.

The check sits where the connection is made: nothing resolves the name again behind it, so a name
that changes its address between check and use (DNS rebinding) gains nothing.
"""

import ssl
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from http.cookiejar import CookieJar
from typing import Any

import httpcore
import httpx
from httpcore import AsyncNetworkBackend, AsyncNetworkStream

from libs.egress.resolve import ResolveError, Resolver
from libs.egress.safe_url import Allowed

IDLE_CONNECTIONS = 8
"""Connections that each pool keeps for the next request."""
IDLE_SECONDS = 4.0
"""Less than the five seconds after which common servers close an idle connection: a request that
meets the closing is a failed attempt.
"""


class UnsafeAddress(httpcore.ConnectError):
    """The host resolves to an address that must not be connected to."""


class CheckedBackend(AsyncNetworkBackend):
    """Opens TCP connections to allowed addresses only."""

    def __init__(self, resolver: Resolver, allowed: Allowed) -> None:
        self._resolver = resolver
        self._allowed = allowed
        self._sockets = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> AsyncNetworkStream:
        """Connect to the first address that answers. Raises UnsafeAddress and ConnectError."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        deadline = time.monotonic() + timeout if timeout is not None else None
        for address in await self._checked(host, timeout):
            left = None if deadline is None else max(0.0, deadline - time.monotonic())
            try:
                return await self._sockets.connect_tcp(
                    address, port, left, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def _checked(self, host: str, timeout: float | None) -> list[str]:
        try:
            addresses = await self._resolver.addresses(host, timeout)
        except ResolveError as error:
            raise httpcore.ConnectError(str(error)) from error
        # One bad address spoils the name: a mixed answer is how rebinding is tried.
        if not all(map(self._allowed, addresses)):
            raise UnsafeAddress(f"{host} resolves to an address that is not public")
        return addresses


class SafeTransport(httpx.AsyncHTTPTransport):
    """httpx's own transport on a connection pool that opens checked connections.

    httpx has no parameter for the network backend, hence the replaced pool. (Rewriting the URL to
    the checked address instead would pool connections of different hosts together.)
    """

    def __init__(self, backend: AsyncNetworkBackend, tls: ssl.SSLContext) -> None:
        super().__init__(verify=tls, trust_env=False)
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=None,  # who sends limits what is under way
            max_keepalive_connections=IDLE_CONNECTIONS,
            keepalive_expiry=IDLE_SECONDS,
            network_backend=backend,
        )


class _Answer(httpx.Response):
    """An answer whose `Location` httpx leaves alone.

    It reads it even where redirects are not followed, and raises for a name that it can't decode.
    """

    @property
    def has_redirect_location(self) -> bool:
        """Whether httpx is to prepare the next request: never."""
        return False


class NoCookies(CookieJar):
    """Keeps no cookie and reads none.

    Targets of different owners can share a host: one's cookie must not reach the other. And reading
    `Set-Cookie2` takes the square of its length.
    """

    def extract_cookies(self, response: Any, request: Any) -> None:
        """Leave the cookies of an answer alone."""

    def add_cookie_header(self, request: Any) -> None:
        """Send none."""


class ManyPools(httpx.AsyncBaseTransport):
    """Spreads URLs over a fixed number of pools; a URL is always in the same one.

    A pool looks at each of its connections for every request: with many hosts several small ones
    are cheaper.
    """

    def __init__(self, backend: AsyncNetworkBackend, tls: ssl.SSLContext, pools: int) -> None:
        self._pools = [SafeTransport(backend, tls) for _ in range(pools)]

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send with the URL's pool."""
        pool = self._pools[hash(str(request.url)) % len(self._pools)]
        response = await pool.handle_async_request(request)
        response.__class__ = _Answer
        return response

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools:
            await pool.aclose()


@asynccontextmanager
async def open_client(
    resolver: Resolver,
    *,
    allowed: Allowed,
    connect_timeout: float,
    pools: int = 1,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[httpx.AsyncClient]:
    """Hand out a client for URLs of customers: it follows no redirect and uses no proxy.

    Only connecting has a timeout here, in seconds: who sends bounds the whole.
    """
    backend = CheckedBackend(resolver, allowed)
    async with httpx.AsyncClient(
        transport=ManyPools(backend, tls or httpx.create_ssl_context(), pools),
        timeout=httpx.Timeout(None, connect=connect_timeout),
        cookies=NoCookies(),
        follow_redirects=False,
        trust_env=False,
    ) as client:
        yield client
