"""`python -m tests.bench.fairness`: what one key's flood does to another key's answers."""

import asyncio
import tempfile
from dataclasses import replace
from pathlib import Path

import uvloop

from tests.bench import load, systems
from tests.bench.measure import Figures, Scenario, measure

CALM = Scenario("1 stream", 1, seconds=6)
FLOODING = 20
"""Connections that ask without a pause with a key whose limit is used up."""


async def compare() -> tuple[Figures, Figures, float]:
    """Return the calm key's figures alone and beside the flood, and refusals a second."""
    with tempfile.TemporaryDirectory(prefix="fairness-") as name:
        directory = Path(name)
        with systems.upstream(directory) as model:
            async with systems.ours(directory / "data", model, chunks=100) as (system, stack):
                await measure(system, Scenario("warm-up", 16, seconds=2))
                alone = await measure(system, CALM)
                key = await stack.account(plan="free")
                flood = replace(system, headers={"Authorization": f"Bearer {key}"})
                flooding = asyncio.create_task(
                    load.in_turn(
                        flood.port, flood.request, clients=FLOODING, seconds=8, first=10**9
                    )
                )
                await asyncio.sleep(1)
                beside = await measure(system, CALM)
                refused = await flooding
                return alone, beside, refused.per_second


def main() -> None:
    """Measure and print."""
    alone, beside, refused = uvloop.run(compare())
    for name, figures in (("alone", alone), ("beside a flood", beside)):
        print(
            f"{name}: first token p50 {figures['first_ms_p50']:.1f} ms, "
            f"p95 {figures['first_ms_p95']:.1f} ms, {figures['answers_per_s']:.1f} answers/s"
        )
    print(f"the flood: {FLOODING} connections, {refused:.0f} requests/s refused")


if __name__ == "__main__":
    main()
