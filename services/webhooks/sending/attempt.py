"""One attempt: sign, send, see what comes back. Whatever comes back, an attempt is an outcome.

The request may have arrived when anything goes wrong with its answer. An exception would hand the
delivery back to its queue, which sends it again; an outcome uses up the retry schedule.
"""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus

import httpx
import structlog

from libs.contracts.webhooks import Delivery
from libs.egress.retry_after import retry_after
from libs.runtime.clock import now
from services.webhooks.endpoints.store import StoredEndpoint
from services.webhooks.request.headers import headers_of

log = structlog.get_logger()

DRAIN_BYTES = 16_384
DRAIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class AttemptResult:
    """What came of an attempt. Without an answer `status` is None and `problem` says why.

    `response` is the beginning of the answer's body, where that is text.
    """

    status: int | None = None
    problem: str = ""
    response: str = ""
    retry_after: float = 0.0
    timed_out: bool = False
    ms: int = 0
    at: datetime = field(default_factory=now)

    @property
    def delivered(self) -> bool:
        """Only 2xx is success; a redirect is not followed."""
        return self.status is not None and HTTPStatus(200) <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver does not want to be called again, ever."""
        return self.status == HTTPStatus.GONE


class Sender:
    """Makes attempts. `timeout`: seconds until an answer's head must be here; `snippet`: bytes."""

    def __init__(self, client: httpx.AsyncClient, *, timeout: float, snippet: int) -> None:
        self._client = client
        self._timeout = timeout
        self._snippet = snippet

    async def attempt(self, endpoint: StoredEndpoint, delivery: Delivery) -> AttemptResult:
        """Send a delivery once. Raises nothing."""
        at, started = now(), time.monotonic()
        try:
            async with asyncio.timeout(self._timeout):
                response = await self._send(endpoint, delivery)
        except TimeoutError:
            problem = f"no answer within {self._timeout:g} s"
            return AttemptResult(problem=problem, timed_out=True, ms=_ms_since(started), at=at)
        except Exception as error:
            if not isinstance(error, httpx.HTTPError):
                log.exception("webhook.odd_answer", endpoint_id=endpoint.id)
            return AttemptResult(
                problem=_problem(error),
                timed_out=isinstance(error, httpx.TimeoutException),
                ms=_ms_since(started),
                at=at,
            )
        ms = _ms_since(started)
        body = await self._beginning(response)
        asked = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        return AttemptResult(
            status=response.status_code, response=text_of(body), retry_after=asked, ms=ms, at=at
        )

    async def _send(self, endpoint: StoredEndpoint, delivery: Delivery) -> httpx.Response:
        request = self._client.build_request(
            "POST",
            endpoint.url,
            content=delivery.body.encode(),
            headers=_headers(endpoint, delivery),
        )
        return await self._client.send(request, stream=True)

    async def _beginning(self, response: httpx.Response) -> bytes:
        """Return the first bytes of the body.

        A short body is read to its end, so that the connection can be used again; the connection
        of a longer one is dropped.
        """
        beginning, left = b"", DRAIN_BYTES
        # The status has decided already: what the body does makes no difference any more.
        with suppress(Exception):
            async with asyncio.timeout(DRAIN_SECONDS):
                async for chunk in response.aiter_raw():
                    beginning += chunk[: self._snippet - len(beginning)]
                    left -= len(chunk)
                    if left < 0:
                        break
        with suppress(Exception):
            await response.aclose()
        # Nobody unpacks what a stranger sent.
        return beginning if "content-encoding" not in response.headers else b""


def _problem(error: Exception) -> str:
    """Return what went wrong, in text that can be stored whatever was received."""
    text = f"{type(error).__name__}: {error}"[:300]
    return text.encode("utf-8", errors="replace").decode()


def text_of(body: bytes) -> str:
    """Return the beginning of a body as text, empty when it is none."""
    text = body.decode("utf-8", errors="replace").rstrip("\ufffd")
    strange = sum(not (one.isprintable() or one in "\t\r\n") or one == "\ufffd" for one in text)
    return text if not strange else ""


def _headers(endpoint: StoredEndpoint, delivery: Delivery) -> dict[str, str]:
    moment = datetime.now(UTC)
    secret, old = endpoint.secret, endpoint.old_secret_at(moment)
    return headers_of(delivery, endpoint.headers, moment, secret=secret, old_secret=old)


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
