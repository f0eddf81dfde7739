"""Connections to the model server: kept ones, fresh ones, and what it means when one breaks."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from libs.runtime.server_url import is_near
from services.llm.failures import Failed
from services.llm.settings import LlmSettings

OPENAI_URL = "https://api.openai.com/v1"
BROKEN = (aiohttp.ClientError, HttpProcessingError, OSError, EOFError, ValueError)
"""What a connection that breaks, or speaks no HTTP, raises. A TimeoutError is none: it is ours."""
AGENT = "AlonChat"


class Connections:
    """Sends requests to one model server, over connections that are kept or over fresh ones."""

    def __init__(
        self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, settings: LlmSettings
    ) -> None:
        self._kept = kept
        self._fresh = fresh
        self.base = (settings.llm_base_url or OPENAI_URL).rstrip("/")
        self.key = settings.llm_api_key.get_secret_value()
        self._timeout = aiohttp.ClientTimeout(
            # How long reading may take is patience.py's business.
            total=None,
            sock_connect=settings.llm_connect_timeout,
        )
        self._proxy = proxy_of(self.base)

    async def post(
        self, url: str, body: Mapping[str, Any], *, fresh: bool
    ) -> aiohttp.ClientResponse:
        """Send a question. Raises one of BROKEN, or Failed where trying again is no use."""
        session = self._fresh if fresh else self._kept
        return await self._send(session, "POST", url, msgspec.json.encode(body))

    async def get(self, path: str) -> aiohttp.ClientResponse:
        """Ask for something else, over a fresh connection. Raises as `post` does."""
        return await self._send(self._fresh, "GET", f"{self.base}{path}", None)

    async def _send(
        self, session: aiohttp.ClientSession, method: str, url: str, body: bytes | None
    ) -> aiohttp.ClientResponse:
        headers = {
            "Accept": "text/event-stream, application/json",
            # Compressed streams arrive in lumps.
            "Accept-Encoding": "identity",
            "User-Agent": AGENT,
        }
        if self.key:
            headers["Authorization"] = f"Bearer {self.key}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        return await session.request(
            method,
            URL(url, encoded=True),
            data=body,
            headers=headers,
            timeout=self._timeout,
            allow_redirects=False,
            proxy=self._proxy,
        )


@asynccontextmanager
async def open_connections(settings: LlmSettings) -> AsyncIterator[Connections]:
    """Hand out the connections; they are closed with the block."""
    context = await asyncio.to_thread(_trust)
    limit = settings.llm_concurrency
    kept = aiohttp.TCPConnector(limit=limit, ssl=context)
    fresh = aiohttp.TCPConnector(limit=limit, ssl=context, force_close=True)
    async with (
        aiohttp.ClientSession(connector=kept, cookie_jar=aiohttp.DummyCookieJar()) as kept_session,
        aiohttp.ClientSession(connector=fresh, cookie_jar=aiohttp.DummyCookieJar()) as session,
    ):
        yield Connections(kept_session, session, settings)


def _trust() -> ssl.SSLContext:
    """Trust what the machine trusts, SSL_CERT_FILE, and certifi's list where there is neither."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def proxy_of(url: str) -> str | None:
    """Return the proxy that the environment has for a server; none for one that is near."""
    host = URL(url).host or ""
    if is_near(host) or proxy_bypass(host):
        return None
    return getproxies().get(URL(url).scheme)


def stale(error: Exception) -> bool:
    """Tell whether a kept connection had been dropped by the other side, nothing being received."""
    if isinstance(error, aiohttp.ClientConnectorError):
        return False
    return isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError)


def failure_of(error: Exception) -> Failed:
    """Return the failure that a broken connection means, with the circumstance."""
    match error:
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return Failed("model_unavailable", "certificate not trusted", words=_reason(error))
        case aiohttp.ClientConnectorDNSError():
            return Failed("upstream_error", "unknown host")
        case aiohttp.ServerTimeoutError():
            return Failed("upstream_error", "no connection in time")
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return Failed("upstream_error", "connection refused")
        case aiohttp.ClientConnectorError():
            return Failed("upstream_error", "no connection")
        case aiohttp.ServerDisconnectedError():
            return Failed("upstream_error", "connection closed before an answer")
        case ConnectionResetError() | BrokenPipeError() | aiohttp.ClientOSError():
            return Failed("upstream_error", "connection reset")
        case aiohttp.ClientPayloadError():
            return Failed("upstream_error", "connection closed in the middle of an answer")
        case _:
            return Failed("upstream_error", type(error).__name__)


def _reason(error: Exception) -> str:
    """Return what is wrong with a certificate, as OpenSSL says it."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return str(getattr(inner, "verify_message", "") or "")
