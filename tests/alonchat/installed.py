"""`alonchat up` as an operator runs it: a process of its own on a data directory."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alonchat.stack import embedded, env_file
from tests.waiting import eventually

START_TIMEOUT = 90.0
STOP_TIMEOUT = 30.0
READY = "Ctrl-C stops everything."


def environment(directory: Path, **settings: str) -> dict[str, str]:
    """Return the environment without settings of the machine that the tests run on."""
    cleared = {"NATS_URL": "", "MONGO_URL": "", "QDRANT_URL": "", "LLM_BASE_URL": ""}
    kept = {name: value for name, value in os.environ.items() if name not in cleared}
    return kept | {"DATA_DIR": str(directory), "PYTHONUNBUFFERED": "1"} | settings


def alonchat(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [sys.executable, "-m", "alonchat", *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=60, check=False)


@dataclass
class Installed:
    """A running `alonchat up` and what it printed."""

    directory: Path
    port: int
    process: subprocess.Popen[bytes]

    @classmethod
    async def start(cls, directory: Path, *options: str, **settings: str) -> "Installed":
        """Start one on a free port; ready when this returns."""
        port = embedded.free_port()
        env = environment(directory, PORT=str(port), **settings)
        installed = cls(directory, port, _spawn(directory, options, env))

        async def printed() -> bool:
            if installed.process.poll() is not None:
                raise AssertionError(installed.output)
            return READY in installed.output

        try:
            await eventually(printed, START_TIMEOUT)
        except BaseException:
            installed.kill()
            raise
        return installed

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def env(self) -> dict[str, str]:
        """The environment of a command that shall find this stack."""
        return environment(self.directory)

    @property
    def output(self) -> str:
        """Everything it printed."""
        return (self.directory / "output").read_text()

    @property
    def demo(self) -> dict[str, str]:
        """What is in demo.env."""
        return env_file.read(self.directory / "demo.env")

    @property
    def children(self) -> dict[str, int]:
        """The process ids of the servers and services, by name."""
        noted: dict[str, int] = json.loads((self.directory / "lock").read_text())["children"]
        return noted

    def interrupt(self) -> int:
        """Press Ctrl-C; return the exit code."""
        self.process.send_signal(signal.SIGINT)
        return self.process.wait(timeout=STOP_TIMEOUT)

    def kill(self) -> None:
        """Kill -9 the supervisor, which takes its children with it; safe when it has ended."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait(timeout=STOP_TIMEOUT)


def _spawn(directory: Path, options: Sequence[str], env: dict[str, str]) -> subprocess.Popen[bytes]:
    directory.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "alonchat", "up", *options]
    with (directory / "output").open("wb") as output:
        return subprocess.Popen(command, env=env, stdout=output, stderr=output)


def runs(pid: int) -> bool:
    """Whether a process is there."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def none_runs(pids: Sequence[int]) -> bool:
    """Whether all of the processes are gone."""
    return not any(runs(pid) for pid in pids)
