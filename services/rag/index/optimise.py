"""`python -m services.rag.index.optimise PARENT FROM TO`: copy a shard and give the copy graphs.

A process of its own, because the engine holds the interpreter's lock meanwhile: 15 s for 100,000
chunks. It takes some 9 kB of memory a chunk and, for a while, two and a half times the shard's size
on disk beside the shard. It writes `copied` when the shard may be written to again, and ends with
status 0 when the copy is complete and on disk. It ends with the process that started it.
"""

import ctypes
import os
import shutil
import signal
import sys
from contextlib import suppress
from pathlib import Path

import qdrant_edge as edge

COPIED = b"copied\n"
NICENESS = 10
"""Answers go first."""

ROOM = 3
"""Free space wanted, as a multiple of the shard: what is left must do for the other services."""

_PR_SET_PDEATHSIG = 1


def main(parent: int, source: Path, copy: Path) -> None:
    """Make the optimised copy."""
    _end_with(parent)
    _check_room(source)
    shutil.copytree(source, copy)
    sys.stdout.buffer.write(COPIED)
    sys.stdout.buffer.flush()
    os.nice(NICENESS)
    shard = edge.EdgeShard.load(str(copy))  # its configuration came with it
    shard.optimize()
    shard.flush()
    shard.close()
    _sync(copy)


def _end_with(parent: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        with suppress(OSError):  # not everywhere may this be said
            Path("/proc/self/oom_score_adj").write_text("1000")  # memory is short: this one goes
    if os.getppid() != parent:  # it ended before we could ask
        sys.exit("the process that asked for it is gone")


def _check_room(source: Path) -> None:
    size = sum(file.stat().st_blocks * 512 for file in source.rglob("*") if file.is_file())
    free = shutil.disk_usage(source).free
    if free < ROOM * size:
        sys.exit(f"{free} bytes are free on the disk, {ROOM * size} wanted")


def _sync(directory: Path) -> None:
    """Bring all files to the disk, then the directories that name them."""
    for path, _, names in os.walk(directory, topdown=False):
        for name in (*(Path(path, name) for name in names), Path(path)):
            sync(name)


def sync(path: Path) -> None:
    """Bring a file or directory to the disk. Raises OSError."""
    opened = os.open(path, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))
