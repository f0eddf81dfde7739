"""Rate limits on a real NATS server."""

import asyncio
import time
from datetime import UTC, datetime

import pytest

from libs.bus.bus import Bus
from libs.contracts.accounts import Account, Plan
from libs.runtime.ids import new_id
from services.api.edge.limits import (
    DAY,
    MINUTE,
    Quota,
    RateLimiter,
    Window,
    account_limits,
    headers,
    quota_of,
    visitor_limits,
)


@pytest.fixture
def account() -> str:
    """An account that nobody counted before."""
    return new_id("acc")


async def test_exact_across_processes_and_concurrency(bus: Bus, account: str) -> None:
    """Of 60 requests at once through three limiters, exactly the quota passes."""
    limiters = [RateLimiter(bus) for _ in range(3)]
    windows = await asyncio.gather(
        *(limiters[n % 3].hit(account_limits(account, Quota(25, 1000))) for n in range(60))
    )
    # The minute may turn over once while this runs; then both minutes have their own quota.
    passed: dict[int, int] = {}
    for window in windows:
        passed.setdefault(window[0].resets_at, 0)
        passed[window[0].resets_at] += not window[-1].exceeded
    assert all(count <= 25 for count in passed.values())
    assert sum(passed.values()) >= 25


async def test_the_day_counts_only_what_the_minute_let_pass(bus: Bus, account: str) -> None:
    """A flood that the minute refuses does not use up the day."""
    limiter = RateLimiter(bus)
    windows = [await limiter.hit(account_limits(account, Quota(5, 100))) for _ in range(30)]
    passed = [window for window in windows if len(window) == 2]
    assert max(day.used for _, day in passed) == len(passed) <= 10


async def test_the_day_refuses_when_it_is_used_up(bus: Bus, account: str) -> None:
    """The day's limit holds within any minute."""
    limiter = RateLimiter(bus)
    windows = [await limiter.hit(account_limits(account, Quota(1000, 3))) for _ in range(5)]
    assert [window[-1].exceeded for window in windows] == [False] * 3 + [True] * 2
    assert windows[-1][-1].name == "day"


async def test_keys_do_not_share_a_quota(bus: Bus, account: str) -> None:
    """One key's flood leaves the other's allowance alone."""
    limiter = RateLimiter(bus)
    for _ in range(10):
        await limiter.hit(account_limits(account, Quota(5, 100)))
    assert not (await limiter.hit(account_limits("acc_2", Quota(5, 100))))[-1].exceeded


async def test_what_a_used_up_key_refuses_costs_its_visitors_nothing(
    bus: Bus, account: str
) -> None:
    """And a process that knows that it is used up asks nobody."""
    limiter, other = RateLimiter(bus), RateLimiter(bus)
    visitor = visitor_limits(account, "10.0.0.1", None, visitor=50, address_total=50)
    key = account_limits(account, Quota(2, 100))
    passed = 0
    for _ in range(40):
        passed += not (await limiter.hit(visitor + key))[-1].exceeded
    assert passed in (2, 4)  # the minute may turn over once
    fresh = await other.hit(visitor)
    assert fresh[-1].used <= passed + 3


async def test_made_up_tokens_of_one_address_have_one_limit(bus: Bus, account: str) -> None:
    """Each token by itself is fresh; the address that they come from is not."""
    limiter = RateLimiter(bus)
    windows = [
        await limiter.hit(
            visitor_limits(account, "10.0.0.1", f"vt_{number}", visitor=5, address_total=8)
        )
        for number in range(30)
    ]
    assert windows[0][-1].name == "visitor"
    assert sum(not window[-1].exceeded for window in windows) in range(8, 17)
    elsewhere = visitor_limits(account, "10.0.0.2", "vt_1", visitor=5, address_total=8)
    assert not (await limiter.hit(elsewhere))[-1].exceeded


@pytest.mark.parametrize(
    ("plan", "quota"),
    [("free", Quota(10, 100)), ("starter", Quota(60, 1_000)), ("pro", Quota(300, 10_000))],
)
def test_plans_are_the_documented_ones(plan: Plan, quota: Quota) -> None:
    """The table of the API's documentation."""
    account = Account(id="a", name="n", plan=plan, created_at=datetime.now(UTC))
    assert quota_of(account) == quota


@pytest.mark.parametrize(
    ("one", "other", "together"),
    [
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:10.0.0.1", "10.0.0.1", True),
        ("10.0.0.1", "10.0.0.2", False),
        ("unknown", "unknown", True),
    ],
)
def test_addresses_of_one_ipv6_network_count_together(one: str, other: str, together: bool) -> None:
    """Whoever has one address of a /64 has all of them."""
    (first, *_), (second, *_) = (
        visitor_limits("acc_1", address, None, visitor=5, address_total=8)
        for address in (one, other)
    )
    assert (first.subject == second.subject) is together


def test_an_account_can_have_limits_of_its_own() -> None:
    """Enterprise is "custom"."""
    account = Account(
        id="a",
        name="n",
        plan="enterprise",
        created_at=datetime.now(UTC),
        requests_per_minute=7,
        requests_per_day=70,
    )
    assert quota_of(account) == Quota(7, 70)


def test_headers_show_the_tightest_window() -> None:
    """X-RateLimit-* speak of the window nearest to exhaustion, the IETF headers of all."""
    now = time.time()
    minute = Window("minute", MINUTE, 10, 4, int(now) + 30)
    day = Window("day", DAY, 100, 99, int(now) + 3600)
    shown = dict(headers((minute, day), now))
    assert shown["X-RateLimit-Limit"] == "100"
    assert shown["X-RateLimit-Remaining"] == "1"
    assert shown["X-RateLimit-Reset"] == str(int(now) + 3600)
    assert shown["RateLimit-Policy"] == '"minute";q=10;w=60, "day";q=100;w=86400'
    assert shown["RateLimit"].startswith('"minute";r=6;t=')
