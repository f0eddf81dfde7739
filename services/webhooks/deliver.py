"""One attempt: sign, send, see what comes back."""

import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus

import httpx

from libs.contracts.webhooks import Delivery
from services.webhooks.retry import retry_after_seconds
from services.webhooks.sign import signature_headers
from services.webhooks.store import StoredEndpoint

USER_AGENT = "Alonchat-Webhooks/1"
DRAIN_BYTES = 16_384
DRAIN_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of an attempt. Without an answer `status` is None and `problem` says why."""

    status: int | None = None
    problem: str = ""
    retry_after: float = 0.0
    ms: int = 0

    @property
    def delivered(self) -> bool:
        """Only 2xx is success; a redirect is not followed."""
        return self.status is not None and HTTPStatus(200) <= self.status < 300

    @property
    def gone(self) -> bool:
        """The receiver does not want to be called again, ever."""
        return self.status == HTTPStatus.GONE


async def attempt(
    client: httpx.AsyncClient, endpoint: StoredEndpoint, delivery: Delivery, timeout: float
) -> Outcome:
    """Send a delivery once; `timeout` is the seconds until the answer's head must be here."""
    started = time.monotonic()
    request = client.build_request(
        "POST", endpoint.url, content=delivery.body.encode(), headers=_headers(endpoint, delivery)
    )
    try:
        async with asyncio.timeout(timeout):
            response = await client.send(request, stream=True)
    except TimeoutError:
        return Outcome(problem=f"no answer within {timeout:g} s", ms=_ms_since(started))
    except httpx.HTTPError as error:
        return Outcome(problem=f"{type(error).__name__}: {error}", ms=_ms_since(started))
    ms = _ms_since(started)
    await _drain(response)
    asked = retry_after_seconds(response.headers.get("retry-after", ""), datetime.now(UTC))
    return Outcome(status=response.status_code, retry_after=asked, ms=ms)


def _headers(endpoint: StoredEndpoint, delivery: Delivery) -> dict[str, str]:
    # Ours come last and win, whatever an endpoint was once allowed to set.
    return {name.lower(): value for name, value in endpoint.headers} | {
        "content-type": "application/json",
        "user-agent": USER_AGENT,
        **signature_headers(endpoint.secret, delivery.webhook_id, delivery.body, datetime.now(UTC)),
    }


async def _drain(response: httpx.Response) -> None:
    """Read a short body so that the connection can be used again; drop the connection of others."""
    left = DRAIN_BYTES
    # The status has decided already: what the body does makes no difference any more.
    with suppress(httpx.HTTPError, TimeoutError):
        async with asyncio.timeout(DRAIN_SECONDS):
            async for chunk in response.aiter_raw():
                left -= len(chunk)
                if left < 0:
                    break
    await response.aclose()


def _ms_since(started: float) -> int:
    return round((time.monotonic() - started) * 1000)
