"""What processes use, from /proc: CPU seconds and memory."""

import os
from pathlib import Path

TICK = os.sysconf("SC_CLK_TCK")
MEGABYTE = 1024


def cpu_seconds(pid: int) -> float:
    """Return what a process and its children have used so far."""
    return sum(_own_cpu(one) for one in _family(pid))


def megabytes(pid: int) -> float:
    """Return the memory of a process and its children; what they share is shared out (PSS)."""
    return sum(_own_memory(one) for one in _family(pid)) / MEGABYTE


def switches(pid: int) -> int:
    """Return how often a process and its children, with all threads, gave up a core or lost it."""
    return sum(
        int(line.split()[1])
        for one in _family(pid)
        for status in Path(f"/proc/{one}/task").glob("*/status")
        for line in status.read_text().splitlines()
        if "ctxt_switches" in line
    )


def _own_cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def _own_memory(pid: int) -> int:
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))


def _family(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in _family(int(child)))]
