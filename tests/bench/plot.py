"""The measured figures as pictures. `python -m tests.bench.plot DIRECTORY` draws those in .bench.

`make bench-plots` writes the ones that docs/performance.md shows.
"""

import argparse
import json
from pathlib import Path

import pygal  # type: ignore[import-untyped]  # it has no stubs
from pygal.style import CleanStyle  # type: ignore[import-untyped]

from tests.bench.measure import Figures
from tests.bench.report import Record, median

CHARTS = {
    "answers": ("Answers a second", "answers_per_s", ("16 streams", "64 streams", "64 JSON")),
    "first-token": ("First token at 1 stream, ms", "first_ms_p50", ("1 stream",)),
    "slow-streams": (
        "First token p99 of slow streams at once, ms",
        "first_ms_p99",
        ("10 slow", "100 slow", "500 slow", "2000 slow"),
    ),
    "cpu": ("CPU seconds for 1,000 answers", "cpu_s_per_1000", ("16 streams", "64 streams")),
}


GROWTH = {
    "first-token": ("first token of 1 stream, ms", "first_ms_p50"),
    "answers": ("answers a second, 64 streams", "answers_per_s"),
}


def draw(records: list[Record], directory: Path) -> None:
    """Write one SVG for each chart that there are figures for."""
    systems = list(dict.fromkeys(record.system for record in records))
    for name, (title, figure, scenarios) in CHARTS.items():
        measured = [each for each in scenarios if any(r.scenario == each for r in records)]
        if measured:
            # No scripts: the page of a repository would load them from elsewhere.
            chart = pygal.HorizontalBar(title=title, style=CleanStyle, js=(), height=400)
            chart.x_labels = measured
            for system in systems:
                chart.add(system, [median(records, system, each, figure) for each in measured])
            chart.render_to_file(str(directory / f"{name}.svg"))


def draw_growth(found: dict[str, dict[int, Figures]], directory: Path) -> None:
    """Write up to two small SVGs an axis."""
    for axis, sizes in found.items():
        for name, (title, figure) in GROWTH.items():
            measured = [figures.get(figure) for figures in sizes.values()]
            if any(measured):
                chart = pygal.Bar(
                    title=f"{axis}: {title}", style=CleanStyle, js=(), width=500, height=300
                )
                chart.show_legend = False
                chart.x_labels = [f"{int(size):,}" for size in sizes]
                chart.add(title, measured)
                kept = directory / f"growth-{axis.replace(' ', '-')}-{name}.svg"
                chart.render_to_file(str(kept))


def main() -> None:
    """Draw what was measured last, without measuring."""
    parser = argparse.ArgumentParser(description="Draw the figures that were measured last")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--kept", type=Path, default=Path(".bench"), help="where the figures are")
    options = parser.parse_args()
    options.directory.mkdir(parents=True, exist_ok=True)
    bench, growth = options.kept / "bench.json", options.kept / "growth.json"
    if bench.exists():
        kept = json.loads(bench.read_text())["records"]
        draw([Record(**record) for record in kept], options.directory)
    if growth.exists():
        draw_growth(json.loads(growth.read_text()), options.directory)


if __name__ == "__main__":
    main()
