"""When a delivery is tried again. Pure; all times in seconds."""

from collections.abc import Sequence

SPREAD = 0.2
"""How much a delay varies, so that what failed together does not come back together."""
PUT_BACK_FIRST = 0.2
PUT_BACK_GROWN = 10.0
"""Longest wait from growing alone."""
PUT_BACK_TRUSTED = 5.0
"""Longest wait of the first time, whatever is estimated; of each further time twice as long."""
PUT_BACK_LONGEST = 300.0


def next_delay(
    delays: Sequence[float],
    attempt: int,
    *,
    chance: float,
    retry_after: float = 0.0,
    retry_after_max: float = 0.0,
) -> float | None:
    """Return the wait after the failed attempt `attempt` (from 1), None after the last one.

    `chance` in [0, 1] picks the place within the spread. What the receiver asks for with
    `retry_after` can make the wait longer, up to `retry_after_max`, never shorter.
    """
    if attempt > len(delays):
        return None
    return max(_varied(delays[attempt - 1], chance), min(retry_after, retry_after_max))


def put_back_delay(times: int, wait: float, *, chance: float) -> float:
    """Return the wait of a delivery whose endpoint is busy, for the `times`th time, from 1.

    `wait` is when there may be a place. It grows, so that a wrong estimate does not keep a backlog
    going round, and is bounded, the less the newer it is, so that an endpoint which recovers is
    soon busy again.
    """
    grown = min(PUT_BACK_FIRST * 1.5 ** min(times, 20), PUT_BACK_GROWN)
    longest = min(PUT_BACK_TRUSTED * 2.0 ** min(times - 1, 20), PUT_BACK_LONGEST)
    return _varied(min(max(wait, grown), longest), chance)


def _varied(delay: float, chance: float) -> float:
    return delay * (1 + SPREAD * (2 * chance - 1))
