"""Rate limits: fixed windows of a minute and a day, exact across all api processes.

Counters live in a JetStream counter stream: publishing an increment answers with the new total, so
one round trip both counts and decides, whoever else counts at the same time. Limits are counted
in order, a visitor's before the account's and the minute before the day; what one refuses does not
use up the next. A total only grows, so a window that is used up stays so: this process refuses the
rest of a flood itself, without asking.

A plan's limits are the account's, however many keys and agents it makes.
"""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from cachetools import TTLCache
from nats.errors import Error as NatsError
from nats.js.errors import APIError

from libs.bus.bus import CALL_TIMEOUT, Bus
from libs.contracts import subjects
from libs.contracts.accounts import Account, Plan
from services.api.http.addresses import network

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * 60 * 60
USED_UP_WINDOWS = 10_000
"""Most windows that a process remembers to be used up; it asks again for any other."""


@dataclass(frozen=True)
class Quota:
    """Requests that an account may make."""

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


@dataclass(frozen=True)
class Limit:
    """At most so many requests of one subject in a window of so many seconds."""

    subject: str
    name: str
    seconds: int
    most: int

    def counter(self, now: int) -> str:
        """Return where the window of this moment is counted."""
        return subjects.counter(self.subject, self.name, self._started(now))

    def window(self, now: int, used: int) -> Window:
        """Return the window of this moment, of which so much is used."""
        return Window(self.name, self.seconds, self.most, used, self._started(now) + self.seconds)

    def _started(self, now: int) -> int:
        return now // self.seconds * self.seconds


def account_limits(account_id: str, quota: Quota) -> tuple[Limit, ...]:
    """Return the limits of an account: all of its keys count, those of its agents as well."""
    return (
        Limit(account_id, "minute", MINUTE, quota.per_minute),
        Limit(account_id, "day", DAY, quota.per_day),
    )


def page_limits(account_id: str, quota: Quota, share: float) -> tuple[Limit, ...]:
    """Return the limits of an account that hold for its publishable keys.

    Anybody can use these, so all together they have only a `share` of what the account may do.
    """
    minute, day = account_limits(account_id, quota)
    return (_part(minute, share), minute, _part(day, share), day)


def _part(whole: Limit, share: float) -> Limit:
    most = max(1, int(whole.most * share))
    return Limit(whole.subject, f"pages-{whole.name}", whole.seconds, most)


def visitor_limits(
    key_id: str, address: str, token: str | None, *, visitor: int, address_total: int
) -> tuple[Limit, ...]:
    """Return the limits of a visitor of a publishable key, in requests a minute.

    Anybody can make up tokens, and get real ones, so those of one address are limited together.
    """
    from_address = f"{key_id}-{_short(network(address))}"
    total = Limit(from_address, "address", MINUTE, address_total)
    own = f"{key_id}-{_short(token)}" if token else from_address
    return (total, Limit(own, "visitor", MINUTE, visitor))


def _short(identity: str) -> str:
    return hashlib.sha256(identity.encode()).hexdigest()[:32]


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

    async def hit(self, limits: Sequence[Limit]) -> tuple[Window, ...]:
        """Count a request against one limit after another, until one refuses it.

        The last window returned is exceeded when the request must be refused.
        """
        now = int(time.time())
        for limit in limits:
            if window := self._known_used_up(limit, now):
                return (window,)
        windows: list[Window] = []
        for limit in limits:
            windows.append(await self._count(limit, now))
            if windows[-1].exceeded:
                break
        return tuple(windows)

    def _known_used_up(self, limit: Limit, now: int) -> Window | None:
        used = self._used_up.get(limit.counter(now), 0)
        return limit.window(now, used) if used > limit.most else None

    async def _count(self, limit: Limit, now: int) -> Window:
        counter = limit.counter(now)
        try:
            ack = await self._bus.jetstream.publish(
                counter, b"", headers={"Nats-Incr": "1"}, timeout=CALL_TIMEOUT
            )
        except (NatsError, APIError) as error:
            raise self._bus.failed(error) from error
        window = limit.window(now, int(ack.val or 0))
        if window.exceeded:
            self._used_up[counter] = window.used
        return window
