from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.runtime.settings import SettingsError
from services.webhooks.sending.retry import (
    PUT_BACK_FIRST,
    PUT_BACK_GROWN,
    PUT_BACK_LONGEST,
    PUT_BACK_TRUSTED,
    SPREAD,
    next_delay,
    put_back_delay,
)
from services.webhooks.settings import WebhooksSettings

DELAYS = (5.0, 300.0, 1800.0)


@pytest.mark.parametrize(("attempt", "delay"), [(1, 5.0), (2, 300.0), (3, 1800.0), (4, None)])
def test_the_schedule_is_followed_to_its_end(attempt: int, delay: float | None) -> None:
    """Each failed attempt waits its own time; after the last one there is none."""
    assert next_delay(DELAYS, attempt, chance=0.5) == delay


@given(st.integers(1, 3), st.floats(0, 1))
def test_a_delay_stays_within_the_spread(attempt: int, chance: float) -> None:
    """Jitter moves a delay by a fifth at most."""
    delay = next_delay(DELAYS, attempt, chance=chance)
    assert delay == pytest.approx(DELAYS[attempt - 1], rel=SPREAD + 1e-9)


def test_retry_after_makes_a_wait_longer_but_never_shorter() -> None:
    """The receiver may ask for more time, within the operator's bound."""

    def wait(attempt: int, asked: float) -> float | None:
        return next_delay(DELAYS, attempt, chance=0.5, retry_after=asked, retry_after_max=100.0)

    assert wait(1, asked=60.0) == 60.0
    assert wait(1, asked=9999.0) == 100.0
    assert wait(1, asked=1.0) == 5.0
    assert wait(2, asked=9999.0) == 300.0


def test_a_busy_endpoints_deliveries_wait_longer_each_time_up_to_a_bound() -> None:
    """The backlog of an endpoint must not keep the queue turning."""
    waits = [put_back_delay(times, 0.0, chance=0.5) for times in range(1, 10_000, 7)]
    assert waits == sorted(waits)
    assert waits[0] < 2.0
    assert waits[-1] == PUT_BACK_GROWN


@given(st.integers(1, 10_000), st.floats(0, 1e9), st.floats(0, 1))
def test_who_is_put_back_comes_when_there_may_be_a_place(
    times: int, wait: float, chance: float
) -> None:
    """As estimated, give or take a fifth, but neither at once nor after minutes."""
    delay = put_back_delay(times, wait, chance=chance)
    assert PUT_BACK_FIRST * (1 - SPREAD) <= delay <= PUT_BACK_LONGEST * (1 + SPREAD)
    assert times > 1 or delay <= PUT_BACK_TRUSTED * (1 + SPREAD)
    if PUT_BACK_GROWN <= wait <= PUT_BACK_LONGEST and times > 10:
        assert delay == pytest.approx(wait, rel=SPREAD + 1e-9)


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """An environment with what every service needs."""
    monkeypatch.setenv("NATS_URL", "nats://127.0.0.1")
    monkeypatch.setenv("MONGO_URL", "mongodb://127.0.0.1")
    return monkeypatch


@pytest.mark.usefixtures("environment")
def test_the_default_schedule_is_the_documented_one() -> None:
    """Seven retries over a good day."""
    delays = WebhooksSettings.load().webhook_retry_delays
    assert list(delays) == [5, 300, 1800, 7200, 18000, 36000, 36000]
    assert timedelta(seconds=sum(delays)) > timedelta(days=1)


def test_the_schedule_can_be_set(environment: pytest.MonkeyPatch) -> None:
    """WEBHOOK_RETRY_DELAYS: seconds, comma separated."""
    environment.setenv("WEBHOOK_RETRY_DELAYS", "0.5, 1,2")
    assert WebhooksSettings.load().webhook_retry_delays == (0.5, 1.0, 2.0)


@pytest.mark.parametrize("delays", ["soon", "5;300", "-1"])
def test_a_schedule_that_makes_no_sense_is_refused(
    environment: pytest.MonkeyPatch, delays: str
) -> None:
    """One sentence names the setting."""
    environment.setenv("WEBHOOK_RETRY_DELAYS", delays)
    with pytest.raises(SettingsError, match="WEBHOOK_RETRY_DELAYS"):
        WebhooksSettings.load()
