"""Another tenant, who asks at a steady pace whatever happens, and how long each answer takes."""

import asyncio
import itertools
import statistics
import time
from dataclasses import dataclass

from tests.bench.http import Connection
from tests.bench.systems import System

PER_SECOND = 5.0
TIMEOUT = 30.0
"""Seconds after which an answer counts as failed, and as having taken so long."""
_numbers = itertools.count()


@dataclass(frozen=True)
class Calm:
    """What the victim saw: seconds for each answer, and how many were no answers."""

    seconds: list[float]
    failed: int

    @property
    def p95(self) -> float:
        """Seconds within which 95 of 100 answers were complete."""
        if len(self.seconds) < 2:
            return TIMEOUT
        return statistics.quantiles(self.seconds, n=20, method="inclusive")[-1]


async def ask(system: System, seconds: float) -> Calm:
    """Begin so many questions a second, each on a connection of its own; wait for all answers."""
    begun = time.monotonic()
    asking = []
    for number in range(int(seconds * PER_SECOND)):
        await asyncio.sleep(max(0.0, begun + number / PER_SECOND - time.monotonic()))
        asking.append(asyncio.create_task(_once(system)))
    results = await asyncio.gather(*asking)
    return Calm([took for took, _ in results], sum(not good for _, good in results))


async def _once(system: System) -> tuple[float, bool]:
    begun = time.monotonic()
    try:
        async with asyncio.timeout(TIMEOUT), Connection(system.port) as connection:
            reply = await connection.ask(system.request(next(_numbers)))
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return TIMEOUT, False
    return time.monotonic() - begun, reply.status == 200


async def settled(system: System, enough: float, patience: float) -> bool:
    """Wait until three answers in a row take no longer than `enough`; False after `patience`."""
    until, good = time.monotonic() + patience, 0
    while good < 3 and time.monotonic() < until:
        took, answered = await _once(system)
        good = good + 1 if answered and took <= enough else 0
    return good == 3
