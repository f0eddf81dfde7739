"""What this machine itself must have: Python, space, the embedded servers' packages."""

import platform
import shutil
import sys
from pathlib import Path

from alonchat.errors import OperatorError
from alonchat.finding import Finding
from alonchat.stack import embedded
from alonchat.stack.settings import StackSettings

FREE_SPACE = 1.0
"""GB of free disk below which a warning is due."""


def findings() -> list[Finding]:
    """Look at this machine."""
    settings = StackSettings.load()
    return [_python(), _disk(settings.data_dir), *_packages(settings)]


def _python() -> Finding:
    version = platform.python_version()
    if sys.version_info < (3, 11):  # noqa: UP036  # run from a checkout, nobody has checked
        sentence = f"Python is {version}: make the environment with Python 3.11 or newer."
        return Finding(name="python", ok=False, sentence=sentence)
    return Finding(name="python", ok=True, sentence=f"Python is {version}.")


def _disk(directory: Path) -> Finding:
    directory = directory.absolute()
    existing = next(path for path in (directory, *directory.parents) if path.exists())
    free = shutil.disk_usage(existing).free / 1e9
    if free < FREE_SPACE:
        sentence = f"Only {free:.1f} GB are free for {directory}: make some space."
        return Finding(name="disk", ok=False, sentence=sentence)
    return Finding(name="disk", ok=True, sentence=f"{free:.0f} GB are free for {directory}.")


def _packages(settings: StackSettings) -> list[Finding]:
    """Look for the embedded servers that no URL of the environment replaces."""
    wanted = {
        "nats": (settings.nats_url, embedded.nats),
        "mongo": (settings.mongo_url, embedded.mongo),
    }
    found = []
    for name, (url, describe) in wanted.items():
        if url:
            continue
        try:
            describe(settings.data_dir / name)
        except OperatorError as error:
            found.append(Finding(name=f"embedded {name}", ok=False, sentence=str(error)))
        else:
            sentence = f"The embedded {name} is installed."
            found.append(Finding(name=f"embedded {name}", ok=True, sentence=sentence))
    return found
