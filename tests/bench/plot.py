"""The measured figures as pictures."""

from pathlib import Path

import pygal  # type: ignore[import-untyped]  # it has no stubs
from pygal.style import CleanStyle  # type: ignore[import-untyped]

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
