"""One scenario on one system: its figures."""

import itertools
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from tests.bench import load
from tests.bench.processes import cpu_seconds, megabytes
from tests.bench.systems import System

TOKENS = 64
IDEAL_SLOW = 0.2 + (TOKENS - 1) * 0.02
"""Seconds that a slow answer takes when nobody adds to it."""

_numbers = itertools.count(step=1_000_000)


@dataclass(frozen=True)
class Scenario:
    """What is asked. `clients` in turn for so many seconds, or each once, all at the same time."""

    name: str
    clients: int
    seconds: float = 0.0
    stream: bool = True
    slow: bool = False

    @property
    def at_once(self) -> bool:
        """Whether each client asks once, all together."""
        return not self.seconds


Figures = dict[str, float]


async def measure(system: System, scenario: Scenario) -> Figures:
    """Run a scenario; return its figures: milliseconds, answers a second, CPU seconds, MB."""
    before = {name: cpu_seconds(pid) for name, pid in system.pids.items()}
    run = await _run(system, scenario)
    used = {name: cpu_seconds(pid) - before[name] for name, pid in system.pids.items()}
    thousands = len(run.replies) / 1000 or 1
    figures = {
        "answers_per_s": run.per_second,
        "failed": float(run.failed),
        "inexact": float(sum(not reply.exact(TOKENS) for reply in run.replies)),
        "cpu_s_per_1000": sum(used.values()) / thousands,
        "memory_mb": sum(megabytes(pid) for pid in system.pids.values()),
    }
    figures |= {f"cpu_{name}": seconds / thousands for name, seconds in used.items()}
    figures |= _spread("total_ms", run.totals)
    if scenario.stream:
        figures |= _spread("first_ms", run.first_token) | _spread("gap_ms", run.gaps)
    if scenario.slow and run.totals:
        figures["late_s"] = max(run.totals) - IDEAL_SLOW
    return figures


async def _run(system: System, scenario: Scenario) -> load.Run:
    request = partial(system.request, stream=scenario.stream, slow=scenario.slow)
    first = next(_numbers)
    if scenario.at_once:
        return await load.at_once(system.port, request, answers=scenario.clients, first=first)
    return await load.in_turn(
        system.port, request, clients=scenario.clients, seconds=scenario.seconds, first=first
    )


def _spread(name: str, seconds: Sequence[float]) -> Figures:
    if len(seconds) < 2:
        return {f"{name}_p50": seconds[0] * 1000} if seconds else {}
    cuts = statistics.quantiles(seconds, n=100, method="inclusive")
    return {f"{name}_p{at}": cuts[at - 1] * 1000 for at in (50, 95, 99)}
