"""One page from the network: its address checked at every hop, its size and time bounded."""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from types import MappingProxyType

import httpx
import structlog

from libs.egress.retry_after import retry_after
from libs.egress.safe_transport import UnsafeAddress
from services.rag.crawl.fetch.pace import HostPace
from services.rag.crawl.fetch.skipped import ServerBusy, Skipped, Unreachable
from services.rag.crawl.fetch.urls import normalised, site_of

log = structlog.get_logger()

RETRY_DELAY = 0.5
"""Seconds before another try, at least."""
REDIRECTS = frozenset({301, 302, 303, 307, 308})
NOTHING: Mapping[str, str] = MappingProxyType({})
PRIVATE = "It is at a private or local address, which is not fetched."
_GZIP_OR_ZLIB = zlib.MAX_WBITS | 32
_GZIPPED = b"\x1f\x8b"

Check = Callable[[str], Awaitable[None]]
"""Raises Skipped for an address that must not be asked for."""
Unpack = Callable[[bytes, int], bytes]
"""Returns at most so many bytes of what was packed."""
Accept = Callable[[httpx.Response, str], None]
"""Raises Skipped for an answer whose body must not be read."""


@dataclass(frozen=True, kw_only=True)
class FetchLimits:
    """Bytes of a page, seconds for it, redirects, more tries, the longest wait before one."""

    bytes: int
    seconds: float
    redirects: int
    retries: int
    longest_delay: float
    agent: str


@dataclass(frozen=True, kw_only=True)
class Fetched:
    """An answer of `url`, after all redirects; `status` is 304 when it is what it was."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes


async def anywhere(_url: str) -> None:
    """Check nothing."""


def any_answer(_response: httpx.Response, _url: str) -> None:
    """Accept everything."""


def only_success(response: httpx.Response, _url: str) -> None:
    """Raise Skipped unless the answer has what was asked for."""
    status = response.status_code
    if status in {HTTPStatus.NOT_FOUND, HTTPStatus.GONE}:
        raise Skipped(f"It was not found ({status}).")
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise Skipped(f"The server does not let us read it ({status}).")
    if not (response.is_success or status == HTTPStatus.NOT_MODIFIED):
        raise Skipped(f"The server answered with an error ({status}).")


class Fetcher:
    """Fetches for all crawls of this process."""

    def __init__(self, client: httpx.AsyncClient, pace: HostPace, limits: FetchLimits) -> None:
        self._client = client
        self._pace = pace
        self._limits = limits

    async def get(
        self,
        url: str,
        *,
        delay: float,
        check: Check = anywhere,
        accept: Accept = only_success,
        headers: Mapping[str, str] = NOTHING,
    ) -> Fetched:
        """Fetch an address, following its redirects. Raises Skipped.

        `delay`: seconds between two requests to its host.
        """
        for _ in range(self._limits.redirects + 1):
            await check(url)
            fetched = await self._patiently(url, delay, accept, headers)
            location = fetched.headers.get("location", "")
            if fetched.status not in REDIRECTS or not location:
                return fetched
            target = normalised(location, url)
            if target is None:
                raise Skipped("It redirects to what is no web address.")
            url = target
        raise Skipped(f"It redirects more than {self._limits.redirects} times.")

    async def _patiently(
        self, url: str, delay: float, accept: Accept, headers: Mapping[str, str]
    ) -> Fetched:
        for _ in range(self._limits.retries):
            try:
                return await self._politely(url, delay, accept, headers)
            except ServerBusy:
                continue  # the host's own pace makes the next try wait
            except Unreachable as error:
                wait = max(error.after, delay, RETRY_DELAY)
                await asyncio.sleep(min(wait, self._limits.longest_delay))
        return await self._politely(url, delay, accept, headers)

    async def _politely(
        self, url: str, delay: float, accept: Accept, headers: Mapping[str, str]
    ) -> Fetched:
        host = self._pace.host(site_of(url))
        async with host.turn(delay):
            try:
                async with asyncio.timeout(self._limits.seconds):
                    found = await self._once(url, accept, headers)
            except ServerBusy as error:
                host.slow_down(min(error.after, self._limits.longest_delay))
                raise
            except TimeoutError:
                seconds = self._limits.seconds
                raise Skipped(f"The server took longer than {seconds:g} s.") from None
            except httpx.HTTPError as error:
                if isinstance(error.__cause__, UnsafeAddress):
                    raise Skipped(PRIVATE) from error
                raise Unreachable("The server can't be reached.") from error
            except httpx.InvalidURL as error:
                raise Skipped("It is no web address.") from error
            except Skipped:
                raise
            except Exception as error:  # nothing that one server says ends the whole crawl
                log.exception("page.odd_answer", site=site_of(url))
                raise Skipped("The server's answer can't be read.") from error
            host.speed_up()
            return found

    async def _once(self, url: str, accept: Accept, headers: Mapping[str, str]) -> Fetched:
        ours = {
            "user-agent": self._limits.agent,
            "accept": "text/html, application/xhtml+xml, text/markdown, application/pdf, */*;q=0.5",
            "accept-encoding": "gzip",
        }
        async with self._client.stream("GET", url, headers={**ours, **headers}) as response:
            if response.status_code in {HTTPStatus.TOO_MANY_REQUESTS, 502, 503, 504}:
                reason = f"The server answered with an error ({response.status_code})."
                asked = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
                raise ServerBusy(reason, asked)
            body = b""
            if response.status_code not in REDIRECTS:
                accept(response, url)
                body = await self._body(response)
            return Fetched(
                url=url, status=response.status_code, headers=response.headers, body=body
            )

    async def _body(self, response: httpx.Response) -> bytes:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding in {"", "identity"}:
            unpack: Unpack = _as_it_is
        elif encoding in {"gzip", "x-gzip", "deflate"}:
            unpack = zlib.decompressobj(_GZIP_OR_ZLIB).decompress
        else:
            raise Skipped("The server packed it in a way that was not asked for.")
        body = bytearray()
        # httpx would unpack a whole piece at once, which is up to a thousand times its size.
        async for piece in response.aiter_raw():
            body += unpacked(piece, unpack, self._limits.bytes + 1 - len(body))
            if len(body) > self._limits.bytes:
                raise too_large(self._limits.bytes)
        return bytes(body)


def _as_it_is(piece: bytes, _most: int) -> bytes:
    return piece


def unpacked(packed: bytes, unpack: Unpack, most: int) -> bytes:
    """Return at most so many bytes of what was packed. Raises Skipped."""
    try:
        return unpack(packed, most)
    except zlib.error as error:
        raise Skipped("It is damaged: it can't be unpacked.") from error


def gunzipped(content: bytes, most: int) -> bytes:
    """Return a file that may be a gzip file, unpacked. Raises Skipped."""
    if not content.startswith(_GZIPPED):
        return content
    found = unpacked(content, zlib.decompressobj(_GZIP_OR_ZLIB).decompress, most + 1)
    if len(found) > most:
        raise too_large(most)
    return found


def too_large(most: int) -> Skipped:
    """Return why something was given up."""
    return Skipped(f"It is larger than {most} bytes.")
