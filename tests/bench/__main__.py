"""`python -m tests.bench`: measure, print a table, write JSON and a plot."""

import argparse
import asyncio
import json
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import uvloop

from tests.bench import environments, plot, ratios, report, systems
from tests.bench.measure import Figures, Scenario, measure
from tests.bench.systems import System

SCENARIOS = (
    Scenario("1 stream", 1, seconds=4),
    Scenario("16 streams", 16, seconds=4),
    Scenario("64 streams", 64, seconds=6),
    Scenario("64 JSON", 64, seconds=6, stream=False),
    Scenario("1 slow", 1, slow=True),
    Scenario("10 slow", 10, slow=True),
    Scenario("100 slow", 100, slow=True),
    Scenario("500 slow", 500, slow=True),
    Scenario("2000 slow", 2_000, slow=True),
)
SYSTEMS = ("proxy", "afternoon", "litellm", "alonchat")
QUICK = ("1 stream", "64 streams", "64 JSON", "1 slow", "100 slow")
QUICK_SYSTEMS = ("afternoon", "alonchat")
RECORDED = Path(__file__).parent / "recorded.json"
WARM_UP = Scenario("warm-up", 16, seconds=2)


@asynccontextmanager
async def all_systems(directory: Path, peers: Path, names: set[str]) -> AsyncIterator[list[System]]:
    """Start what is named, all beside each other; only one has work at a time."""
    async with AsyncExitStack() as stack:
        model = stack.enter_context(systems.upstream(directory))
        found = [model]
        if "proxy" in names:
            found.append(stack.enter_context(systems.proxy(directory, model)))
        for name, start in (("afternoon", systems.afternoon), ("litellm", systems.litellm)):
            if name in names and (environment := environments.made(name, peers)):
                found.append(stack.enter_context(start(directory, model, environment)))
        if "alonchat" in names:
            system, _ = await stack.enter_async_context(systems.ours(directory, model))
            found.append(system)
        yield found


async def run(names: set[str], wanted: set[str], repeats: int, peers: Path) -> list[report.Record]:
    """Measure every scenario on every system, interleaved, so often."""
    records: list[report.Record] = []
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        async with all_systems(Path(directory), peers, names) as found:
            for system in found:
                await measure(system, WARM_UP)
            for repeat in range(repeats):
                for scenario in SCENARIOS:
                    if wanted and scenario.name not in wanted:
                        continue
                    for system in (one for one in found if one.slow or not scenario.slow):
                        figures = await measure(system, scenario)
                        records.append(report.Record(repeat, system.name, scenario.name, figures))
                        _say(repeat, system, scenario, figures)
                        await asyncio.sleep(1)  # what the events of the last answers still cost
    return records


def _say(repeat: int, system: System, scenario: Scenario, figures: Figures) -> None:
    shown = ("answers_per_s", "first_ms_p50", "first_ms_p95", "cpu_s_per_1000", "failed", "inexact")
    values = ", ".join(f"{name} {figures[name]:.4g}" for name in shown if name in figures)
    print(f"{repeat + 1}. {scenario.name:>10} {system.name:>10}: {values}", flush=True)


def main() -> None:
    """Read the options, measure, report."""
    parser = argparse.ArgumentParser(description="Measure side by side")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--systems", nargs="*", default=SYSTEMS)
    parser.add_argument("--scenarios", nargs="*", default=[])
    parser.add_argument(
        "--quick", action="store_true", help="a few scenarios, compared with the recorded ratios"
    )
    parser.add_argument("--out", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    if options.quick:
        options.systems, options.scenarios, options.repeats = QUICK_SYSTEMS, QUICK, 3
    options.out.mkdir(exist_ok=True)
    records = uvloop.run(
        run(set(options.systems), set(options.scenarios), options.repeats, options.out / "peers")
    )
    values = ratios.measured(records)
    if options.quick:
        recorded = json.loads(RECORDED.read_text())
        print(ratios.table(values))
        moved = ratios.moved(recorded, values)
        print("Elsewhere than recorded, by more than the tenth by which runs of one code differ:")
        print("\n".join(moved) or "nothing")
        if missing := recorded.keys() - values.keys():
            print(f"Not measured here: {', '.join(sorted(missing))}.")
        return
    result = report.result(records, options.out / "peers") | {"ratios": values}
    (options.out / "bench.json").write_text(json.dumps(result, indent=1))
    plot.draw(records, options.out)
    print(report.table(records), ratios.table(values), sep="\n\n")


if __name__ == "__main__":
    main()
