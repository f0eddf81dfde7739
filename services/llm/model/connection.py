"""Connections to the model server: kept ones, fresh ones, and what it means when one breaks.

The openai client sends the requests and aiohttp carries them. Neither tries again, follows a
redirect or waits: asking.py does, which knows what a question allows.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import certifi
import httpx2
import msgspec
from aiohttp.http_exceptions import HttpProcessingError
from openai import APIConnectionError, AsyncOpenAI, DefaultAioHttpClient
from openai._vendor.httpx_aiohttp import AiohttpTransport  # it can't be given a session otherwise

from libs.runtime.server_url import is_near
from libs.runtime.settings import SettingsError
from services.llm.failures import Failed
from services.llm.settings import LlmSettings

OPENAI_URL = "https://api.openai.com/v1"
BROKEN = (
    *(httpx2.HTTPError, httpx2.StreamError, httpx2.InvalidURL, APIConnectionError),
    *(aiohttp.ClientError, HttpProcessingError, OSError, EOFError, ValueError),
)
"""What a connection that breaks, or speaks no HTTP, raises."""
AGENT = "AlonChat"
RAW = {"X-Stainless-Raw-Response": "stream"}
"""Has the client hand over the response as it comes in."""
MOST_ERROR = 64 * 1024
"""Bytes of an error that are read."""
ERROR_PATIENCE = 5.0
"""Seconds for the body of an error, whose status is known."""


class Unusual(Exception):
    """The server answered, and not with a 2xx: what it said, as far as it is read."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"status {status}")
        self.status = status
        self.headers = headers
        self.body = body


class Received:
    """A response of which the head is here. Raises BROKEN."""

    def __init__(self, response: httpx2.Response) -> None:
        self._response = response
        self._blocks = response.aiter_bytes()

    async def read(self) -> bytes:
        """Return all that has arrived by now, when there is something; nothing at the end."""
        return await anext(self._blocks, b"")

    async def close(self) -> None:
        """Let go of the connection; it is kept when all was read."""
        await self._response.aclose()


class ModelConnections:
    """Sends requests to one model server, over connections that are kept or over fresh ones."""

    def __init__(self, kept: AsyncOpenAI, fresh: AsyncOpenAI, base: str) -> None:
        self._kept = kept
        self._fresh = fresh
        self.base = base

    async def post(self, url: str, body: Mapping[str, Any], *, fresh: bool) -> Received:
        """Send a question. Raises Unusual, and BROKEN."""
        client = self._fresh if fresh else self._kept
        sent: Any = await client.post(
            url,
            cast_to=object,
            content=msgspec.json.encode(body),
            options={"headers": RAW | {"Content-Type": "application/json"}},
        )
        return Received(sent.http_response)

    async def get(self, path: str) -> Received:
        """Ask for something else, over a fresh connection. Raises as `post` does."""
        url = f"{self.base}{path}"
        sent: Any = await self._fresh.get(url, cast_to=object, options={"headers": RAW})
        return Received(sent.http_response)


@asynccontextmanager
async def open_connections(settings: LlmSettings) -> AsyncIterator[ModelConnections]:
    """Hand out the connections; they are closed with the block."""
    context = await asyncio.to_thread(_trust)
    base = (settings.llm_base_url or OPENAI_URL).rstrip("/")
    async with (
        _client(base, settings, context, keep=True) as kept,
        _client(base, settings, context, keep=False) as fresh,
    ):
        yield ModelConnections(kept, fresh, base)


def _client(
    base: str, settings: LlmSettings, context: ssl.SSLContext, *, keep: bool
) -> AsyncOpenAI:
    key = settings.llm_api_key.get_secret_value()
    proxy = proxy_of(base)

    async def only_ours(request: httpx2.Request) -> None:
        request.headers = _headers(request.headers, key)

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=settings.llm_concurrency, ssl=context, force_close=not keep
        ),
        cookie_jar=aiohttp.DummyCookieJar(),
    )
    # How long reading may take is patience.py's business.
    timeout = httpx2.Timeout(None, connect=settings.llm_connect_timeout)
    http = DefaultAioHttpClient(
        transport=AiohttpTransport(verify=context, proxy=proxy, client=session),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
        event_hooks={"request": [only_ours], "response": [_only_answers]},
    )
    return AsyncOpenAI(
        base_url=base, api_key=key or "none", max_retries=0, timeout=timeout, http_client=http
    )


def _headers(built: httpx2.Headers, key: str) -> httpx2.Headers:
    """Return what is sent: nothing that the client adds, of its own or of the environment."""
    names = ("Host", "Content-Type", "Content-Length", *RAW)
    ours = {name: built[name] for name in names if name in built} | {
        "Accept": "text/event-stream, application/json",
        # Compressed streams arrive in lumps.
        "Accept-Encoding": "identity",
        "User-Agent": AGENT,
    }
    return httpx2.Headers(ours | ({"Authorization": f"Bearer {key}"} if key else {}))


async def _only_answers(response: httpx2.Response) -> None:
    """Raise Unusual for any other response: the client would read it without a bound."""
    if response.is_success:
        return
    body = b""
    with suppress(TimeoutError, *BROKEN):  # the status says enough
        async with asyncio.timeout(ERROR_PATIENCE):
            async for block in response.aiter_bytes():
                body += block
                if len(body) >= MOST_ERROR:
                    break
    raise Unusual(response.status_code, response.headers, body[:MOST_ERROR])


def _trust() -> ssl.SSLContext:
    """Trust what the machine trusts, or SSL_CERT_FILE names, and certifi's list."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context


def proxy_of(url: str) -> httpx2.Proxy | None:
    """Return the proxy that the environment has for a server; none for one that is near."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_near(host) or proxy_bypass(host):
        return None
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy:
        return None
    try:
        return httpx2.Proxy(proxy if "://" in proxy else f"http://{proxy}")
    except (ValueError, httpx2.InvalidURL) as error:
        raise SettingsError(f"The proxy of the environment is no URL of one: {error}.") from error


def stale(error: Exception) -> bool:
    """Tell whether a kept connection had been dropped by the other side, nothing being received."""
    cause = _cause(error)
    if isinstance(cause, aiohttp.ClientConnectorError | aiohttp.ServerTimeoutError):
        return False
    return isinstance(cause, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError | OSError)


def _cause(error: BaseException) -> BaseException:
    """Return what happened to the connection, which the layers above name otherwise."""
    while isinstance(error, APIConnectionError | httpx2.HTTPError) and error.__cause__ is not None:
        error = error.__cause__
    return error


def failure_of(error: Exception) -> Failed:
    """Return the failure that a broken connection means, with the circumstance."""
    match cause := _cause(error):
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientConnectorSSLError():
            return Failed("model_unavailable", "certificate not trusted", words=_reason(cause))
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
            return Failed("upstream_error", type(cause).__name__)


def _reason(error: BaseException) -> str:
    """Return what is wrong with a certificate, as OpenSSL says it."""
    inner = getattr(error, "certificate_error", None) or getattr(error, "os_error", None)
    return str(getattr(inner, "verify_message", "") or "")
