"""What is promised: this project's figures as multiples of the afternoon endpoint's."""

from collections.abc import Callable
from dataclasses import dataclass

from tests.bench.report import Record, median

OURS, OTHER, DIRECT = "alonchat", "afternoon", "upstream"


@dataclass(frozen=True)
class Ratio:
    """One promise. `better` is `more` or `less`; a ratio beyond `wanted` keeps it."""

    name: str
    better: str
    wanted: float
    of: Callable[[list[Record]], float | None]

    def kept(self, value: float) -> bool:
        """Whether a measured ratio keeps the promise."""
        return value >= self.wanted if self.better == "more" else value <= self.wanted

    def direction(self, before: float, now: float) -> str:
        """Say whether a ratio became better or worse."""
        return "better" if (now > before) == (self.better == "more") else "worse"


def _plain(scenario: str, figure: str) -> Callable[[list[Record]], float | None]:
    def ratio(records: list[Record]) -> float | None:
        ours, other = (median(records, name, scenario, figure) for name in (OURS, OTHER))
        return ours / other if ours is not None and other else None

    return ratio


def _added(scenario: str, figure: str) -> Callable[[list[Record]], float | None]:
    """Return the ratio of what each adds to the upstream's own figure."""

    def ratio(records: list[Record]) -> float | None:
        values = [median(records, name, scenario, figure) for name in (OURS, OTHER, DIRECT)]
        if any(value is None for value in values):
            return None
        ours, other, direct = (value or 0.0 for value in values)
        return (ours - direct) / (other - direct)

    return ratio


def _growth(records: list[Record]) -> float | None:
    one, hundred = (median(records, OURS, name, "first_ms_p50") for name in ("1 slow", "100 slow"))
    return hundred / one if one and hundred else None


RATIOS = (
    Ratio("answers/s, 64 streams", "more", 2.0, _plain("64 streams", "answers_per_s")),
    Ratio("JSON answers/s, 64 clients", "more", 1.5, _plain("64 JSON", "answers_per_s")),
    Ratio("added first token p50, 1 stream", "less", 1.2, _added("1 stream", "first_ms_p50")),
    Ratio("added first token p95, 1 stream", "less", 1.5, _added("1 stream", "first_ms_p95")),
    Ratio("CPU of an answer, 64 streams", "less", 1.0, _plain("64 streams", "cpu_s_per_1000")),
    Ratio("first token p99, 500 at once", "less", 0.4, _plain("500 slow", "first_ms_p99")),
    Ratio("first token, 100 at once against 1", "less", 5.0, _growth),
)


def measured(records: list[Record]) -> dict[str, float]:
    """Return the ratios that these records allow, by name."""
    found = {ratio.name: ratio.of(records) for ratio in RATIOS}
    return {name: value for name, value in found.items() if value is not None}


def table(values: dict[str, float]) -> str:
    """Return the ratios and what was promised, as Markdown."""
    lines = ["| Against the afternoon endpoint | promised | measured | |", "|---|---|---|---|"]
    for ratio in RATIOS:
        if ratio.name in values:
            sign = "≥" if ratio.better == "more" else "≤"
            kept = "kept" if ratio.kept(values[ratio.name]) else "missed"
            lines.append(
                f"| {ratio.name} | {sign} {ratio.wanted}x | {values[ratio.name]:.2f}x | {kept} |"
            )
    return "\n".join(lines)


def moved(recorded: dict[str, float], values: dict[str, float], least: float = 0.1) -> list[str]:
    """Say which ratios are elsewhere than recorded, by more than a tenth unless told."""
    return [
        f"{ratio.name}: {recorded[ratio.name]:.2f}x recorded, {values[ratio.name]:.2f}x now, "
        f"{ratio.direction(recorded[ratio.name], values[ratio.name])}"
        for ratio in RATIOS
        if ratio.name in recorded
        and ratio.name in values
        and abs(values[ratio.name] / recorded[ratio.name] - 1) > least
    ]
