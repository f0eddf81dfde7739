"""One stack at a time on a data directory."""

import fcntl
import json
import os
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from alonchat.errors import OperatorError

LOCK_PATIENCE = 5.0
"""Seconds that the children of a killed stack get to disappear."""


class Directory:
    """A locked data directory. Children that inherit `fd` keep it locked until all have ended."""

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    def note(self, children: Mapping[str, int]) -> None:
        """Write down who uses the directory, for the sentence that the next one gets."""
        text = json.dumps({"stack": os.getpid(), "children": dict(children)}).encode()
        os.pwrite(self.fd, text, 0)
        os.ftruncate(self.fd, len(text))


@contextmanager
def locked(path: Path) -> Iterator[Directory]:
    """Hold the directory; made when it is missing. Raises OperatorError when it is in use."""
    try:
        path.mkdir(parents=True, exist_ok=True)
        fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise OperatorError(
            f"Can't write to the data directory {path} ({error.strerror}): set DATA_DIR to another."
        ) from error
    try:
        _acquire(fd, path)
        directory = Directory(path, fd)
        directory.note({})
        yield directory
    finally:
        os.close(fd)


def _acquire(fd: int, path: Path) -> None:
    deadline = time.monotonic() + LOCK_PATIENCE
    while not _try_lock(fd):
        stack, children = _noted(path)
        if _runs(stack):
            raise OperatorError(
                f"Another stack (process {stack}) is running on {path}: stop it, "
                "or set DATA_DIR to another directory."
            )
        if time.monotonic() > deadline:
            left = {name: pid for name, pid in children.items() if _runs(pid)}
            raise OperatorError(
                f"What is left of a killed stack still runs on {path} "
                f"({', '.join(f'{name} {pid}' for name, pid in left.items())}): "
                f"`kill {' '.join(map(str, left.values()))}`, then start again."
            )
        time.sleep(0.05)


def _try_lock(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _noted(path: Path) -> tuple[int, dict[str, int]]:
    try:
        noted = json.loads((path / "lock").read_bytes())
        return noted["stack"], noted["children"]
    except ValueError:  # being written this moment
        return 0, {}


def _runs(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
