"""One stack at a time on a data directory."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from alonchat.errors import OperatorError
from alonchat.stack import directory


def test_a_directory_has_one_holder(tmp_path: Path) -> None:
    """The second one is told the first one's process."""
    with (
        directory.locked(tmp_path),
        pytest.raises(OperatorError, match=rf"process {os.getpid()}\) is running"),
        directory.locked(tmp_path),
    ):
        pass


def test_a_directory_is_free_afterwards(tmp_path: Path) -> None:
    """The lock goes with its holder; the directory is made when it is missing."""
    for _ in range(2):
        with directory.locked(tmp_path / "new" / "data") as held:
            held.note({"nats": 1})


def test_a_child_that_outlived_its_stack_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that still holds the inherited lock is named with the command that ends it."""
    monkeypatch.setattr(directory, "LOCK_PATIENCE", 0.0)
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    with (
        directory.locked(tmp_path) as held,
        subprocess.Popen(sleeper, pass_fds=(held.fd,)) as child,
    ):
        noted = (tmp_path / "lock").read_text()
        held.note({"nats": child.pid})
        left = (tmp_path / "lock").read_text()
        assert noted != left
        (tmp_path / "lock").write_text(left.replace(str(os.getpid()), str(_ended())))
        named = rf"nats {child.pid}\): `kill {child.pid}`"
        with pytest.raises(OperatorError, match=named), directory.locked(tmp_path):
            pass
        child.kill()


def test_a_directory_that_can_not_be_made_is_one_sentence(tmp_path: Path) -> None:
    """A file where the directory should be."""
    (tmp_path / "file").touch()
    sentence = "Can't write to the data directory"
    with pytest.raises(OperatorError, match=sentence), directory.locked(tmp_path / "file" / "data"):
        pass


def _ended() -> int:
    """Return the id of a process that was there and is gone."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        return process.pid
