"""What was measured, as a table, and whether it is good enough."""

from dataclasses import dataclass

from tests.hostile.memory import MOST_MB

MOST_RATIO = 5.0
"""How much longer the p95 of another tenant's answers may be beside an attack."""


@dataclass(frozen=True)
class Row:
    """One attack. Times in seconds, memory in MB by process."""

    attack: str
    quiet: float
    beside: float
    failed: int
    settled: bool
    memory: dict[str, float]

    @property
    def ratio(self) -> float:
        """How much longer the victim's answers took."""
        return self.beside / self.quiet

    def problems(self, most_ratio: float) -> list[str]:
        """Say what is not as it has to be."""
        found = []
        if self.ratio > most_ratio:
            found.append(f"p95 is {self.ratio:.1f} times the quiet one, {most_ratio:g} is allowed")
        if self.failed:
            found.append(f"{self.failed} answers of the other tenant failed")
        if not self.settled:
            found.append("the other tenant's answers stayed slow after it")
        found += [
            f"{name} had {megabytes:.0f} MB, {MOST_MB[name]:.0f} are allowed"
            for name, megabytes in self.memory.items()
            if megabytes > MOST_MB.get(name, float("inf"))
        ]
        return found


def header(processes: list[str]) -> str:
    """Return the head of the table."""
    columns = ["attack", "p95 quiet ms", "p95 beside ms", "ratio", "failed"]
    columns += [f"{name} MB" for name in processes]
    return f"| {' | '.join(columns)} |\n{'|---' * len(columns)}|"


def line(row: Row) -> str:
    """Return a row of the table."""
    cells = [
        row.attack,
        f"{row.quiet * 1000:.0f}",
        f"{row.beside * 1000:.0f}",
        f"{row.ratio:.1f}",
        str(row.failed),
        *(f"{megabytes:.0f}" for megabytes in row.memory.values()),
    ]
    return f"| {' | '.join(cells)} |"
