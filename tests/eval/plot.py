"""The figures as a picture."""

from pathlib import Path

import pygal  # type: ignore[import-untyped]  # it has no stubs
from pygal.style import CleanStyle  # type: ignore[import-untyped]

from tests.eval.report import Result


def draw(result: Result, directory: Path) -> None:
    """Write hit@1 and the share refused, by style, as one SVG for each half."""
    for half, measured in result.items():
        styles = {name: figures for name, figures in measured["styles"].items() if name != "all"}
        # No scripts: the page of a repository would load them from elsewhere.
        chart = pygal.Bar(title=f"{half} half", style=CleanStyle, js=(), height=400, range=(0, 1))
        chart.x_labels = list(styles)
        for figure in ("hit@1", "hit@3", "refused"):
            chart.add(figure, [figures.get(figure) for figures in styles.values()])
        chart.render_to_file(str(directory / f"{half}.svg"))
