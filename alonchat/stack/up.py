"""`alonchat up`: the embedded servers and all services, as children of this process.

The order of start and stop: directory, servers, services, demo; and back.
"""

import asyncio
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import httpx

from alonchat.errors import OperatorError
from alonchat.output import Progress
from alonchat.stack import demo, embedded, env_file
from alonchat.stack.directory import locked
from alonchat.stack.embedded import Server
from alonchat.stack.settings import StackSettings
from alonchat.stack.supervise import Program, Supervisor
from libs.contracts.calls import SERVICES

READY_TIMEOUT = 90.0
"""Seconds that the services get to become ready."""
MODEL_SERVER = "llm/llm"
"""The check that a stack may start without."""
START_ATTEMPTS = 3
"""Deaths of one service while the stack starts, after which it will not start at all."""
STOP_GRACE = 5.0
"""Seconds that a service gets to stop, beyond the time for its open answers."""


@dataclass(frozen=True)
class Addresses:
    """Where the servers of this stack are."""

    nats_url: str
    mongo_url: str


async def up(
    settings: StackSettings, progress: Progress, *, single_process: bool, with_demo: bool
) -> None:
    """Run everything until SIGINT or SIGTERM. Raises OperatorError."""
    stop = _stop_signal()
    _check_port(settings)
    with locked(settings.data_dir) as directory:
        supervisor = Supervisor(directory.fd, directory.note)
        progress.say(f"Starting in {settings.data_dir}:")
        async with _servers(supervisor, settings, progress) as addresses:
            progress.say(f"  services {', '.join(SERVICES)}")
            async with _services(supervisor, settings, addresses, single_process=single_process):
                starting = _started(supervisor, settings, addresses, progress, with_demo=with_demo)
                await _until(stop, asyncio.create_task(starting))
                progress.say("\nStopping …")


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, stop.set)
    return stop


async def _until(stop: asyncio.Event, starting: asyncio.Task[None]) -> None:
    """Wait for the signal, which may come while the stack still starts."""
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({starting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
            await stopping
    finally:
        starting.cancel()
        stopping.cancel()
        await asyncio.gather(starting, stopping, return_exceptions=True)


async def _started(
    supervisor: Supervisor,
    settings: StackSettings,
    addresses: Addresses,
    progress: Progress,
    *,
    with_demo: bool,
) -> None:
    """Wait until all is ready, see to the demo, say how to use it."""
    await _ready(supervisor, settings, progress)
    listening = f"\nAlonChat listens on {settings.url} (API reference: {settings.url}/docs)\n"
    if not with_demo:
        progress.done({"url": settings.url}, f"{listening}Ctrl-C stops everything.\n")
        return
    shop = await demo.ensure(settings, addresses.nats_url)
    progress.done(
        {"url": settings.url, "demo": shop.env()},
        f"{listening}\nAsk the demo agent, from another terminal:\n\n{shop.curl()}\n\n"
        f"Its ids and keys are in {settings.demo_file}. Ctrl-C stops everything.\n",
    )


async def _ready(supervisor: Supervisor, settings: StackSettings, progress: Progress) -> None:
    """Wait for everything but the model server, without which all but its answers works."""
    deadline = time.monotonic() + READY_TIMEOUT
    async with httpx.AsyncClient(base_url=settings.url, timeout=5.0, trust_env=False) as client:
        while missing := await _missing(client):
            if set(missing) == {MODEL_SERVER}:
                progress.say(
                    f"  WARNING  {missing[MODEL_SERVER]}. Agents without a model answer; "
                    "for all others start it, or correct LLM_BASE_URL: `alonchat doctor` says why."
                )
                return
            for name, deaths in supervisor.deaths.items():
                if deaths >= START_ATTEMPTS:
                    raise OperatorError(f"{name} does not start: see what it says above.")
            if time.monotonic() > deadline:
                said = ", ".join(f"{name} ({detail})" for name, detail in missing.items())
                raise OperatorError(f"Not ready after {READY_TIMEOUT:.0f} s: {said}.")
            await asyncio.sleep(0.1)


async def _missing(client: httpx.AsyncClient) -> dict[str, str]:
    """Return what is not ready yet, and why; nothing when all is."""
    try:
        response = await client.get("/readyz")
        if response.status_code == 200:
            return {}
        checks = response.json()["checks"]
        return {check["name"]: check.get("detail", "") for check in checks if not check["ok"]}
    except (httpx.HTTPError, ValueError, KeyError) as error:
        return {"api": repr(error)}


@asynccontextmanager
async def _servers(
    supervisor: Supervisor, settings: StackSettings, progress: Progress
) -> AsyncIterator[Addresses]:
    """Run the embedded servers that are wanted; write where the servers are."""
    described = {
        "nats": settings.nats_url or embedded.nats(settings.data_dir / "nats"),
        "mongo": settings.mongo_url or embedded.mongo(settings.data_dir / "mongo"),
    }
    servers = [server for server in described.values() if isinstance(server, Server)]
    urls = [server.url if isinstance(server, Server) else server for server in described.values()]
    addresses = Addresses(*urls)
    try:
        for name, server in described.items():
            if isinstance(server, Server):
                await _start(supervisor, server)
            # A URL of the operator's may hold a password.
            progress.say(f"  {name:8} {server.url if isinstance(server, Server) else 'as set'}")
        env_file.write(settings.stack_file, _stack_env(settings, addresses))
        yield addresses
    finally:
        settings.stack_file.unlink(missing_ok=True)
        for server in reversed(servers):
            await _stop(supervisor, server)


def _stack_env(settings: StackSettings, addresses: Addresses) -> dict[str, str]:
    """Return what every process must know to find this stack."""
    return {
        "NATS_URL": addresses.nats_url,
        "MONGO_URL": addresses.mongo_url,
        "HOST": settings.host,
        "PORT": str(settings.port),
    }


async def _start(supervisor: Supervisor, server: Server) -> None:
    await supervisor.start(Program(server.name, server.command, log=server.log))
    deadline = time.monotonic() + embedded.START_TIMEOUT
    while not server.listens():
        if supervisor.deaths[server.name] or time.monotonic() > deadline:
            raise embedded.not_started(server)
        await asyncio.sleep(0.02)


async def _stop(supervisor: Supervisor, server: Server) -> None:
    stopping = asyncio.create_task(supervisor.stop(server.name, timeout=embedded.STOP_TIMEOUT))
    while not stopping.done():
        server.listens()  # the Mongo server notices its end at the next connection, or 2 s later
        await asyncio.wait({stopping}, timeout=0.05)
    stopping.result()


@asynccontextmanager
async def _services(
    supervisor: Supervisor, settings: StackSettings, addresses: Addresses, *, single_process: bool
) -> AsyncIterator[None]:
    """Run the services, each in a process of its own or all in one."""
    groups = {"services": SERVICES} if single_process else {name: (name,) for name in SERVICES}
    env = _stack_env(settings, addresses) | {
        "DATA_DIR": str(settings.data_dir),
        "LOG_LEVEL": settings.log_level,
        "DRAIN_TIMEOUT": str(settings.drain_timeout),
        "WEBHOOKS_ALLOW_PRIVATE": str(settings.webhooks_allow_private).lower(),
        "CRAWL_PRIVATE_NETWORKS": settings.crawl_private_networks,
    }
    try:
        for name, services in groups.items():
            command = (sys.executable, "-m", "services", *services)
            await supervisor.start(Program(name, command, env))
        yield
    finally:
        # The edge first: the answers that it still streams need the others.
        grace = settings.drain_timeout + STOP_GRACE
        await supervisor.stop("api", timeout=grace)
        await supervisor.stop(*groups, timeout=grace)


def _check_port(settings: StackSettings) -> None:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        with socket.create_server((settings.host, settings.port), family=family):
            return
    except OSError as error:
        raise OperatorError(
            f"Can't listen on {settings.host}:{settings.port} ({os.strerror(error.errno or 0)}): "
            f"set PORT to a free one, such as PORT={embedded.free_port()}."
        ) from error
