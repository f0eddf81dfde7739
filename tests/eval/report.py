"""The figures as a table, beside the recorded ones."""

from collections.abc import Mapping
from typing import Any

Result = Mapping[str, Any]
"""{half: {"styles": {style: figures}, "latency": {stage: figures}}}"""

COLUMNS = (
    "questions",
    "source@1",
    "hit@1",
    "hit@3",
    "mrr",
    "refused",
    "answerable refused",
    "refusal recall",
    "refusal precision",
    "ece",
)


def table(result: Result, recorded: Result) -> str:
    """Return the figures by half and style as Markdown, the recorded ones in brackets."""
    lines = [f"| half | style | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for half, measured in result.items():
        for style, figures in measured["styles"].items():
            before = recorded.get(half, {}).get("styles", {}).get(style, {})
            cells = " | ".join(_cell(figures.get(name), before.get(name)) for name in COLUMNS)
            lines.append(f"| {half} | {style} | {cells} |")
    lines += ["", "| half | stage | p50 ms | p95 ms |", "|---|---|---|---|"]
    for half, measured in result.items():
        for stage, spread in measured["latency"].items():
            before = recorded.get(half, {}).get("latency", {}).get(stage, {})
            cells = " | ".join(_cell(spread[at], before.get(at)) for at in ("p50", "p95"))
            lines.append(f"| {half} | {stage} | {cells} |")
    return "\n".join(lines)


def _cell(value: float | None, before: float | None) -> str:
    if value is None:
        return ""
    return _shown(value) + (f" ({_shown(before)})" if before is not None else "")


def _shown(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.3f}".rstrip("0").rstrip(".")
