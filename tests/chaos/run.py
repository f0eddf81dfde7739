"""One chaos run from start to report."""

import asyncio
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from libs.bus.bus import Bus, open_bus
from tests.chaos.adding import Adding
from tests.chaos.audit import Audit
from tests.chaos.faults import MODEL, Faults
from tests.chaos.load import Load
from tests.chaos.talk import Said
from tests.fakes.openai_server import FakeOpenAI
from tests.fakes.webhook_receiver import Receiver, running_receiver
from tests.flow.client import HOURS, Client
from tests.stack import Stack, running

CREDITS = 1_000_000
SETTLE = 150.0
"""Seconds in which everything must have come to its end when nothing breaks any more."""
LIMITS: dict[str, Any] = {
    # Expired holds are part of the audit, so they must not take a quarter of an hour.
    "HOLD_TTL": "75",
    "HOLD_SWEEP_INTERVAL": "5",
    "UNANSWERED_AFTER": "100",
    "UNANSWERED_SWEEP_INTERVAL": "5",
    "LLM_TOKEN_TIMEOUT": "5",
    "LLM_FIRST_TOKEN_TIMEOUT": "10",
    "WEBHOOK_RETRY_DELAYS": "0.5,1,2,4,4,4,4,4,4,4,4",
    "DRAIN_TIMEOUT": "20",
}


@dataclass
class Options:
    """What to do. Seconds, messages a second, seconds between faults."""

    seed: int
    seconds: float
    rate: float
    interval: float
    replicas: int
    directory: Path = field(default_factory=lambda: Path(tempfile.mkdtemp(prefix="chaos-")))


class Breaks(Protocol):
    """What broke things: how often it did what, and how many processes it killed."""

    done: Counter[str]

    @property
    def kills(self) -> int:
        """How many processes were killed -9."""
        ...


@dataclass
class Result:
    """What came of it."""

    options: Options
    said: list[Said]
    sources: int
    faults: Breaks
    audit: Audit
    settled: float

    def report(self) -> str:
        """The figures, then the violations."""
        ends = Counter(said.end for said in self.said)
        codes = Counter(said.code for said in self.said if said.code)
        stored = Counter(answer["status"] for answer in self.audit.answers.values())
        waits = sorted(said.first_text for said in self.said if said.first_text is not None)
        lines = [
            f"seed {self.options.seed}, {self.options.seconds:.0f} s, {self.faults.kills} kills",
            f"faults: {_counted(self.faults.done)}",
            f"clients: {len(self.said)} messages: {_counted(ends)}; errors: {_counted(codes)}",
            f"streams: resumed {sum(said.resumed for said in self.said)} times",
            f"takeovers that said something else: {sum(said.resets for said in self.said)}",
            f"slowest end: {max((said.seconds for said in self.said), default=0.0):.1f} s",
            f"first text: p50 {_quantile(waits, 0.5):.2f} s, p99 {_quantile(waits, 0.99):.2f} s",
            f"stored: {_counted(stored)}; settled after {self.settled:.0f} s",
            f"webhooks: {self.audit.delivered} requests; sources: {self.sources} added meanwhile",
            f"violations: {len(self.audit.violations)}",
            *(f"  {violation}" for violation in self.audit.violations[:50]),
        ]
        return "\n".join(lines)


@dataclass
class World:
    """A running system, its surroundings, and who talks to it."""

    options: Options
    stack: Stack
    model: FakeOpenAI
    receiver: Receiver
    bus: Bus
    key: str
    agents: list[str]
    secrets: dict[str, str]


async def run(options: Options) -> Result:
    """Run the load and the faults, let everything settle, audit it."""
    async with world(options) as around:
        hooks = list(around.secrets)
        faults = Faults(around.stack, around.model, around.receiver, hooks, options.seed)
        await faults.duplicate(around.bus)
        breaking = faults.run(options.seconds, options.interval)
        return await outcome(around, faults, breaking)


@asynccontextmanager
async def world(options: Options) -> AsyncIterator[World]:
    """Start everything, with an account and two agents."""
    async with (
        FakeOpenAI() as model,
        running_receiver() as receiver,
        running(
            options.directory,
            replicas=options.replicas,
            LLM_BASE_URL=model.base_url,
            LLM_API_KEY="test",
            **LIMITS,
        ) as stack,
        open_bus(stack.nats_url, "chaos") as bus,
    ):
        key = await stack.account(credits=CREDITS)
        async with httpx.AsyncClient(base_url=stack.url, timeout=60) as calm:
            agents, secrets = await _prepared(Client(calm, key), receiver)
        yield World(options, stack, model, receiver, bus, key, agents, secrets)


async def outcome(around: World, breaks: Breaks, breaking: Coroutine[Any, Any, None]) -> Result:
    """Have clients talk while things break, then look until all has settled, or for SETTLE."""
    options, stack = around.options, around.stack
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    async with httpx.AsyncClient(timeout=httpx.Timeout(60, connect=2), limits=limits) as http:
        load = Load(http, stack.urls, around.key, around.agents, options.seed)
        adding = Adding(http, stack.urls, around.key, around.agents, options.seed)
        running_breaks = asyncio.create_task(breaking)
        await asyncio.gather(
            load.run(running_breaks, options.rate), adding.run(running_breaks), running_breaks
        )
    await stack.ready()
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as calm:
        began = time.monotonic()
        while True:
            audit = Audit(Client(calm, around.key), around.bus, load.said, adding.added, CREDITS)
            await audit.run(around.agents, around.receiver, around.secrets)
            settled = time.monotonic() - began
            if not audit.violations or settled > SETTLE:
                return Result(options, load.said, len(adding.added), breaks, audit, settled)
            await asyncio.sleep(2)


async def _prepared(client: Client, receiver: Receiver) -> tuple[list[str], dict[str, str]]:
    """Create agents, each with an endpoint; return the endpoints' signing secrets by path."""
    agents = [await client.agent(HOURS, model=MODEL), await client.agent(HOURS, model="extractive")]
    secrets = {}
    for agent_id in agents:
        path = f"/{agent_id}"
        created = await client.post(
            f"/v1/agents/{agent_id}/webhooks",
            {
                "name": "all",
                "endpoint_url": receiver.url(path),
                "events": ["message.received", "message.sent", "message.failed"],
            },
        )
        secrets[path] = created["secret_key"]
    return agents, secrets


def _counted(counter: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in sorted(counter.items())) or "none"


def _quantile(values: list[float], share: float) -> float:
    return values[int(share * (len(values) - 1))] if values else 0.0
