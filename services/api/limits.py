"""Rate limits: fixed windows of a minute and a day, exact across all api processes.

Counters live in a JetStream counter stream: publishing an increment answers with the new total, so
one round trip both counts and decides, whoever else counts at the same time. The minute is counted
first; a request that it refuses does not use up the day. A total only grows, so a window that is
used up stays so: this process refuses the rest of a flood itself, without asking again.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from cachetools import TTLCache
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.contracts import subjects
from libs.contracts.accounts import Account, Plan

MINUTE = 60
DAY = 24 * 60 * 60
USED_UP_WINDOWS = 10_000
"""Most windows that a process remembers to be used up; it asks again for any other."""


@dataclass(frozen=True)
class Quota:
    """Requests that a key may make."""

    per_minute: int
    per_day: int


PLANS: Mapping[Plan, Quota] = {
    "free": Quota(10, 100),
    "starter": Quota(60, 1_000),
    "pro": Quota(300, 10_000),
    # "Custom" in the API's documentation: this, unless the account has limits of its own.
    "enterprise": Quota(60_000, 10_000_000),
}


@dataclass(frozen=True)
class Window:
    """Where a request stands in one window. Times in Unix seconds."""

    name: str
    seconds: int
    limit: int
    used: int
    resets_at: int

    @property
    def remaining(self) -> int:
        """Requests left in this window."""
        return max(0, self.limit - self.used)

    @property
    def exceeded(self) -> bool:
        """Whether this request is one too many."""
        return self.used > self.limit

    def wait(self, now: float) -> float:
        """Seconds until the window ends."""
        return max(0.0, self.resets_at - now)


def quota_of(account: Account) -> Quota:
    """Return the account's own limits where it has them, else its plan's."""
    plan = PLANS[account.plan]
    return Quota(
        account.requests_per_minute or plan.per_minute, account.requests_per_day or plan.per_day
    )


def headers(windows: tuple[Window, ...], now: float) -> Iterator[tuple[str, str]]:
    """Yield the rate limit headers: `X-RateLimit-*` of the tightest window, IETF's of all.

    RateLimit and RateLimit-Policy follow draft-ietf-httpapi-ratelimit-headers.
    """
    if not windows:
        return
    tightest = min(windows, key=lambda window: window.remaining / window.limit)
    yield "X-RateLimit-Limit", str(tightest.limit)
    yield "X-RateLimit-Remaining", str(tightest.remaining)
    yield "X-RateLimit-Reset", str(tightest.resets_at)
    policies = (f'"{window.name}";q={window.limit};w={window.seconds}' for window in windows)
    yield "RateLimit-Policy", ", ".join(policies)
    states = (f'"{w.name}";r={w.remaining};t={int(w.wait(now))}' for w in windows)
    yield "RateLimit", ", ".join(states)


class RateLimiter:
    """Counts requests on the bus."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus
        self._used_up: TTLCache[str, int] = TTLCache(USED_UP_WINDOWS, MINUTE)

    async def hit(self, key_id: str, quota: Quota) -> tuple[Window, ...]:
        """Count a request. The last window returned is exceeded when it must be refused."""
        minute = await self._count(key_id, "minute", MINUTE, quota.per_minute)
        if minute.exceeded:
            return (minute,)
        return (minute, await self._count(key_id, "day", DAY, quota.per_day))

    async def hit_visitor(self, key_id: str, visitor: str, per_minute: int) -> Window:
        """Count a request of one visitor of a publishable key."""
        return await self._count(f"{key_id}-{visitor}", "visitor", MINUTE, per_minute)

    async def _count(self, subject: str, name: str, seconds: int, limit: int) -> Window:
        started = int(time.time()) // seconds * seconds
        counter = subjects.counter(subject, name, started)
        if (used := self._used_up.get(counter, 0)) > limit:
            return Window(name, seconds, limit, used, started + seconds)
        try:
            ack = await self._bus.jetstream.publish(counter, b"", headers={"Nats-Incr": "1"})
        except (NatsError, APIError) as error:
            raise ServiceUnavailable("nats") from error
        window = Window(name, seconds, limit, int(ack.val or 0), started + seconds)
        if window.exceeded:
            self._used_up[counter] = window.used
        return window
