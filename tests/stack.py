"""The whole system for flow tests: real servers, every service a real process (or all in one)."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from alonchat.stack import embedded
from alonchat.stack.child import tied
from alonchat.stack.embedded import Server
from libs.bus.bus import open_bus
from libs.contracts.accounts import CREATE_ACCOUNT, SET_PLAN, CreateAccount, Plan, SetPlan
from libs.contracts.calls import SERVICES
from tests.fakes import qdrant_server

READY_TIMEOUT = 60.0
STOP_TIMEOUT = 20.0


class Killable:
    """A server that can be killed and started again, on the same port and data."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """Its process, when it runs."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it; it accepts connections when this returns."""
        self._process = embedded.start(self.server)

    def kill(self) -> None:
        """Kill -9 it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(timeout=STOP_TIMEOUT)
            self._process = None

    def stop(self) -> None:
        """Stop it the polite way, if it runs."""
        if self._process is not None:
            embedded.stop(self.server, self._process)


@dataclass
class Stack:
    """A running system. `processes` by service, or one under the name `all`.

    A second process of a service is named `<service>-2`, and so on; `ports` has those of api.
    """

    directory: Path
    ports: dict[str, int]
    env: dict[str, str]
    servers: dict[str, Killable]
    processes: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    @property
    def nats_url(self) -> str:
        """Where the bus is."""
        return self.servers["nats"].server.url

    @property
    def mongo_url(self) -> str:
        """Where the database is."""
        return self.servers["mongo"].server.url

    @property
    def urls(self) -> list[str]:
        """Where each api process listens."""
        return [f"http://127.0.0.1:{port}" for port in self.ports.values()]

    @property
    def pids(self) -> dict[str, int]:
        """Every running process of ours and every server, by name."""
        servers = {name: one.pid for name, one in self.servers.items() if one.pid}
        return {name: one.pid for name, one in self.processes.items()} | servers

    @property
    def url(self) -> str:
        """Where the API listens."""
        return self.urls[0]

    def start(self, name: str, services: Sequence[str], **env: str) -> None:
        """Start one process with these services; its output goes to a file of its name."""
        if name in self.ports:
            env |= {"PORT": str(self.ports[name])}
        with (self.directory / f"{name}.log").open("ab") as output:
            self.processes[name] = subprocess.Popen(
                tied([sys.executable, "-m", "services", *services]),
                env=os.environ | self.env | env,
                stdout=output,
                stderr=output,
            )

    def kill(self, name: str) -> None:
        """Kill -9 a process."""
        process = self.processes.pop(name)
        process.send_signal(signal.SIGKILL)
        process.wait(timeout=STOP_TIMEOUT)

    async def drain(self, name: str) -> None:
        """Tell a process to stop, and wait until it has finished what it was doing."""
        process = self.processes.pop(name)
        process.terminate()
        await asyncio.to_thread(process.wait, timeout=STOP_TIMEOUT * 2)

    def restart(self, name: str, **env: str) -> None:
        """Start a process that was killed or stopped again, with these settings besides."""
        self.start(name, [name.partition("-")[0]], **env)

    async def ready(self) -> None:
        """Return when every api process says that every dependency answers, and none has died."""
        for url in self.urls:
            await self._ready(url)
        dead = [name for name, one in self.processes.items() if one.poll() is not None]
        assert not dead, f"{dead} died at the start; see {self.directory}"

    async def _ready(self, url: str) -> None:
        deadline = time.monotonic() + READY_TIMEOUT
        answer = "nothing listens"
        async with httpx.AsyncClient(base_url=url, timeout=10) as client:
            while time.monotonic() < deadline:
                try:
                    response = await client.get("/readyz")
                    if response.status_code == 200:
                        return
                    answer = response.text
                except httpx.TransportError as error:
                    answer = repr(error)
                await asyncio.sleep(0.05)
        raise TimeoutError(f"not ready: {answer}; see {self.directory}")

    async def account(
        self, plan: Plan = "enterprise", credits: int = 100_000, **limits: int
    ) -> str:
        """Open an account as the operators' commands do; return its secret key."""
        async with open_bus(self.nats_url, "test") as bus:
            request = CreateAccount(name="Test", plan=plan, credits=credits)
            created = await bus.call(CREATE_ACCOUNT, request)
            if limits:
                await bus.call(
                    SET_PLAN, SetPlan(account_id=created.account.id, plan=plan, **limits)
                )
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
    directory: Path,
    *,
    one_process: bool = False,
    replicas: int = 1,
    qdrant: bool = False,
    **env: str,
) -> AsyncIterator[Stack]:
    """Start everything on a directory, hand it over when ready, stop everything.

    With `replicas` there are so many processes of each service, and, as with `qdrant`, a Qdrant
    server of ours: the embedded index is for one process.
    """
    # Servers of its own: what a killed service leaves on them must not meet another test.
    servers = {
        "nats": Killable(embedded.nats(directory / "nats")),
        "mongo": Killable(embedded.mongo(directory / "mongo")),
    }
    if qdrant or replicas > 1:
        servers["qdrant"] = Killable(qdrant_server.described(directory / "qdrant"))
    names = _names(replicas) if not one_process else {"all": []}
    apis = [name for name in names if name.startswith(("api", "all"))]
    with ExitStack() as running_servers:
        for server in servers.values():
            server.start()
            running_servers.callback(server.stop)
        stack = Stack(directory, {name: embedded.free_port() for name in apis}, {}, servers)
        stack.env |= (
            {f"{name.upper()}_URL": one.server.url for name, one in servers.items()}
            | {
                "DATA_DIR": str(directory),
                "WEBHOOKS_ALLOW_PRIVATE": "true",
                "LLM_BASE_URL": "",
                "LLM_API_KEY": "",
            }
            | env
        )
        try:
            for name, services in names.items():
                stack.start(name, services)
            await stack.ready()
            yield stack
        finally:
            stack.stop()


def _names(replicas: int) -> dict[str, list[str]]:
    """Name the processes: `<service>`, `<service>-2`, and so on."""
    suffixes = ["", *(f"-{number}" for number in range(2, replicas + 1))]
    return {f"{service}{suffix}": [service] for suffix in suffixes for service in SERVICES}
