"""The files of the repository, as git has them."""

import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]


@cache
def tracked() -> tuple[PurePosixPath, ...]:
    """Return every file of the repository."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return tuple(map(PurePosixPath, listed.stdout.splitlines()))


def texts() -> Iterator[PurePosixPath]:
    """Yield what names files: prose, and the docstrings and comments of our own code."""
    for path in tracked():
        ours = path.parts[0] in {"services", "libs", "alonchat"} and path.suffix == ".py"
        if ours or path.suffix == ".md":
            yield path
