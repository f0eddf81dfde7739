"""The whole system for flow tests: real servers, every service a real process (or all in one)."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from alonchat import embedded
from alonchat.child import tied
from alonchat.embedded import Server
from libs.bus.bus import open_bus
from libs.contracts.accounts import CREATE_ACCOUNT, CreateAccount, Plan
from libs.runtime.serve import SERVICES

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


@dataclass
class Stack:
    """A running system. `processes` by service, or one under the name `all`."""

    directory: Path
    nats_url: str
    mongo_url: str
    port: int
    env: dict[str, str]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the API listens."""
        return f"http://127.0.0.1:{self.port}"

    def start(self, name: str, services: Sequence[str]) -> None:
        """Start one process with these services; its output goes to a file of its name."""
        with (self.directory / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                tied([sys.executable, "-m", "services", *services]),
                env=os.environ | self.env,
                stdout=output,
                stderr=output,
            )

    def kill(self, service: str) -> None:
        """Kill -9 the process of a service."""
        process = self.processes.pop(service)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=STOP_TIMEOUT)

    def restart(self, service: str) -> None:
        """Start a killed service again."""
        self.start(service, [service])

    async def ready(self) -> None:
        """Return when every dependency of every service answers."""
        deadline = time.monotonic() + READY_TIMEOUT
        answer = "nothing listens"
        async with httpx.AsyncClient(base_url=self.url, timeout=10) as client:
            while time.monotonic() < deadline:
                try:
                    response = await client.get("/readyz")
                    if response.status_code == 200:
                        return
                    answer = response.text
                except httpx.TransportError as error:
                    answer = repr(error)
        raise TimeoutError(f"not ready: {answer}; see {self.directory}")

    async def account(self, plan: Plan = "enterprise", credits: int = 100_000) -> str:
        """Open an account as the operators' command does; return its secret key."""
        async with open_bus(self.nats_url, "test") as bus:
            request = CreateAccount(name="Test", plan=plan, credits=credits)
            created = await bus.call(CREATE_ACCOUNT, request)
        return created.secret_key

    def stop(self) -> None:
        """Stop every process the polite way; one that does not stop is an error."""
        for process in self.processes.values():
            process.terminate()
        for process in self.processes.values():
            process.wait(timeout=STOP_TIMEOUT)
        self.processes.clear()


@asynccontextmanager
async def running(
    directory: Path, *, one_process: bool = False, **env: str
) -> AsyncIterator[Stack]:
    """Start everything on a directory, hand it over when ready, stop everything."""
    # Servers of its own: what a killed service leaves on them must not meet another test.
    with (
        _embedded(embedded.nats(directory / "nats")) as nats_url,
        _embedded(embedded.mongo(directory / "mongo")) as mongo_url,
    ):
        stack = Stack(directory, nats_url, mongo_url, embedded.free_port(), {})
        stack.env |= {
            "NATS_URL": nats_url,
            "MONGO_URL": mongo_url,
            "PORT": str(stack.port),
            "DATA_DIR": str(directory),
            "WEBHOOKS_ALLOW_PRIVATE": "true",
            "LLM_BASE_URL": "",
            "LLM_API_KEY": "",
        } | env
        groups = {"all": []} if one_process else {name: [name] for name in SERVICES}
        try:
            for name, services in groups.items():
                stack.start(name, services)
            await stack.ready()
            yield stack
        finally:
            stack.stop()


@contextmanager
def _embedded(server: Server) -> Iterator[str]:
    process = embedded.start(server)
    try:
        yield server.url
    finally:
        embedded.stop(server, process)
