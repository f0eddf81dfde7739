"""`python -m tests.bench.growth`: what one request costs when there is more of everything else."""

import argparse
import asyncio
import json
import statistics
import tempfile
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import httpx
import uvloop

from libs.runtime.ids import new_id
from tests.bench import load, plot, seed, systems
from tests.bench.measure import Figures, Scenario, measure
from tests.bench.processes import cpu_seconds, switches
from tests.bench.systems import System
from tests.stack import Stack

ONE = Scenario("1 stream", 1, seconds=4)
MANY = Scenario("64 streams", 64, seconds=5)
WARM_UP = Scenario("warm-up", 16, seconds=2)
SHOWN = ("first_ms_p50", "total_ms_p50", "answers_per_s", "cpu_s_per_1000")
OWN_ENDPOINTS = 10
"""As many as an agent may have."""

EVENTS = ["message.received", "message.sent"]
QUIET = 0.15
"""CPU seconds in a second, over all processes, of a system that has nothing to do."""

SETTLED_IN = 120
"""Seconds after which it is measured in any case."""


@dataclass
class Grown:
    """A running system that an axis makes grow: from `size` to the next one."""

    system: System
    stack: Stack
    size: int = 0
    conversation_id: str = ""
    receiver: str = ""
    """Where webhooks may be sent."""


async def turns(grown: Grown, size: int) -> None:
    """Earlier questions and answers of the conversation that is continued."""
    if not grown.conversation_id:
        async with httpx.AsyncClient(base_url=grown.stack.url, timeout=60) as http:
            path, headers = grown.system.path, grown.system.headers
            said = await http.post(path, headers=headers, json={"message": "When are you open?"})
        grown.conversation_id = said.json()["conversation_id"]
        grown.system.body["conversation_id"] = grown.conversation_id

    def another(document: seed.Document, number: int) -> seed.Document:
        return document | {"_id": new_id("msg"), "order": f"{new_id('msg')}.{number % 2}"}

    await seed.copies(grown.stack, "messages", 2 * (size - grown.size), another)


async def chunks(grown: Grown, size: int) -> None:
    """Chunks of the agent that is asked."""
    agent_id = grown.system.path.split("/")[3]
    await seed.chunks(grown.stack, agent_id, size - grown.size)


async def agents(grown: Grown, size: int) -> None:
    """Agents, each with a key."""

    def agent(document: seed.Document, _: int) -> seed.Document:
        return document | {"_id": new_id("agent"), "account_id": new_id("acc")}

    def key(document: seed.Document, _: int) -> seed.Document:
        return document | {"_id": new_id("key"), "hash": new_id("hash"), "agent_id": new_id("a")}

    await seed.copies(grown.stack, "agents", size - grown.size, agent)
    await seed.copies(grown.stack, "keys", size - grown.size, key)


async def messages(grown: Grown, size: int) -> None:
    """Stored messages of other conversations, two in each."""

    def message(document: seed.Document, _: int) -> seed.Document:
        return document | {"_id": new_id("msg"), "conversation_id": new_id("conv")}

    def conversation(document: seed.Document, _: int) -> seed.Document:
        return document | {"_id": new_id("conv"), "agent_id": new_id("agent")}

    await seed.copies(grown.stack, "messages", size - grown.size, message)
    await seed.copies(grown.stack, "conversations", (size - grown.size) // 2, conversation)


async def endpoints(grown: Grown, size: int) -> None:
    """Webhook endpoints: ten of the agent that is asked, the others of other agents."""
    own = range(grown.size, min(size, OWN_ENDPOINTS))
    path = grown.system.path.removesuffix("/chat") + "/webhooks"
    async with httpx.AsyncClient(base_url=grown.stack.url, timeout=60) as http:
        for number in own:
            webhook = {"name": f"w{number}", "endpoint_url": grown.receiver, "events": EVENTS}
            created = await http.post(path, headers=grown.system.headers, json=webhook)
            created.raise_for_status()

    def endpoint(document: seed.Document, _: int) -> seed.Document:
        return document | {"_id": new_id("we"), "agent_id": new_id("agent")}

    others = size - max(grown.size, OWN_ENDPOINTS)
    await seed.copies(grown.stack, "webhook_endpoints", max(0, others), endpoint)


AXES = {
    "turns": (turns, (0, 20, 200, 2_000)),
    "chunks": (chunks, (100, 1_000, 10_000, 100_000, 500_000)),
    "agents": (agents, (0, 1_000, 10_000)),
    "messages": (messages, (0, 10_000, 100_000, 1_000_000)),
    "endpoints": (endpoints, (0, 1, 10, 1_000, 10_000)),
}
OPEN_STREAMS = (0, 100, 500, 1_000)
REPLICAS = (1, 2, 4)


@asynccontextmanager
async def grown_system(
    *, replicas: int = 1, first_chunks: int = 100, qdrant: bool = False
) -> AsyncIterator[Grown]:
    """Start a system of its own for one axis."""
    async with AsyncExitStack() as exits:
        directory = Path(exits.enter_context(tempfile.TemporaryDirectory(prefix="growth-")))
        model = exits.enter_context(systems.upstream(directory))
        starting = systems.ours(
            directory / "data", model, chunks=first_chunks, replicas=replicas, qdrant=qdrant
        )
        system, stack = await exits.enter_async_context(starting)
        await measure(system, WARM_UP)
        yield Grown(system, stack, receiver=exits.enter_context(systems.receiver(directory)))


async def along(name: str, most: int) -> dict[int, Figures]:
    """Measure one axis at each of its sizes, up to one."""
    grow, sizes = AXES[name]
    found: dict[int, Figures] = {}
    async with grown_system(first_chunks=0) as grown:
        for size in (size for size in sizes if size <= most):
            if size > grown.size:
                await grow(grown, size)
                grown.system.pids = grown.stack.pids  # what was stopped for it runs anew
            grown.size = size
            await measure(grown.system, WARM_UP)
            await _settle(grown.system)
            found[size] = await _both(grown.system)
            _say(name, size, found[size])
    return found


async def with_open_streams() -> dict[int, Figures]:
    """Measure one stream while so many slow ones are open."""
    found: dict[int, Figures] = {}
    async with grown_system() as grown:
        for size in OPEN_STREAMS:
            keeping = asyncio.create_task(_keep_open(grown.system, size))
            await asyncio.sleep(2)
            found[size] = await measure(grown.system, ONE)
            _say("open streams", size, found[size])
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping
    return found


async def with_replicas() -> dict[int, Figures]:
    """Measure with so many processes of each service, asked in turn.

    All with a Qdrant server of ours, which replicas need: else one process of each would be
    measured with another index, and the difference be taken for that of the replicas.
    """
    found: dict[int, Figures] = {}
    for size in REPLICAS:
        async with grown_system(replicas=size, first_chunks=0, qdrant=True) as grown:
            ports = list(grown.stack.ports.values())
            await _over_all(grown.system, ports, WARM_UP)
            await _settle(grown.system)
            found[size] = await _over_all(grown.system, ports, MANY)
            _say("replicas", size, found[size])
            print(_by_service(found[size]), flush=True)
    return found


async def _over_all(system: System, ports: list[int], scenario: Scenario) -> Figures:
    """Measure with the clients spread over all ports; CPU is of all processes for all answers."""
    share = replace(scenario, clients=scenario.clients // len(ports))
    begun = {name: (cpu_seconds(pid), switches(pid)) for name, pid in system.pids.items()}
    shares = [replace(system, port=port, pids={}) for port in ports]
    parts = await asyncio.gather(*(measure(one, share) for one in shares))
    together: Figures = {
        name: sum(part[name] for part in parts) for name in ("answers_per_s", "failed", "inexact")
    } | {name: statistics.fmean(part[name] for part in parts) for name in SHOWN[:2]}
    thousands = together["answers_per_s"] * scenario.seconds / 1000
    for name, (cpu, switched) in begun.items():
        pid, service = system.pids[name], name.partition("-")[0]
        for figure, value in (
            (f"cpu_{service}", cpu_seconds(pid) - cpu),
            ("cpu_s_per_1000", cpu_seconds(pid) - cpu),
            (f"switches_{service}", switches(pid) - switched),
        ):
            together[figure] = together.get(figure, 0.0) + value / thousands
    return together


def _by_service(figures: Figures) -> str:
    names = [name.removeprefix("cpu_") for name in figures if name.startswith("cpu_")]
    return "\n".join(
        f"{name:>22}: {figures[f'cpu_{name}']:6.2f} s of CPU for 1,000 answers, "
        f"{figures[f'switches_{name}'] / 1000:6.1f} context switches for one"
        for name in names
        if f"switches_{name}" in figures
    )


async def _both(system: System) -> Figures:
    one, many = await measure(system, ONE), await measure(system, MANY)
    before = _cpu(system)
    await _settle(system)
    afterwards = {"answers": many["answers_per_s"] * MANY.seconds, "cpu_s": _cpu(system) - before}
    figures = {name: many[name] for name in ("answers_per_s", "cpu_s_per_1000")}
    figures["cpu_s_per_1000"] += 1000 * afterwards["cpu_s"] / afterwards["answers"]
    return one | figures | {"failed": one["failed"] + many["failed"]}


async def _settle(system: System) -> None:
    """Wait until what the last answers set off is done: events, and what is sent for them."""
    used = _cpu(system)
    for _ in range(SETTLED_IN):
        await asyncio.sleep(1)
        before, used = used, _cpu(system)
        if used - before < QUIET:
            return


def _cpu(system: System) -> float:
    return sum(cpu_seconds(pid) for pid in system.pids.values())


async def _keep_open(system: System, count: int) -> None:
    first = 10**9
    while count:
        await load.at_once(
            system.port, lambda n: system.request(n, slow=True), answers=count, first=first
        )
        first += count


def _say(axis: str, size: int, figures: Figures) -> None:
    values = ", ".join(f"{name} {figures[name]:.4g}" for name in SHOWN if name in figures)
    print(f"{axis:>12} {size:>9,}: {values}, failed {figures['failed']:.0f}", flush=True)


async def run(names: list[str], most: int) -> dict[str, dict[int, Figures]]:
    """Measure the axes that are named, one after another."""
    found = {name: await along(name, most) for name in names if name in AXES}
    if "open streams" in names:
        found["open streams"] = await with_open_streams()
    if "replicas" in names:
        found["replicas"] = await with_replicas()
    return found


def main() -> None:
    """Read the options, measure, report."""
    parser = argparse.ArgumentParser(description="Measure what grows with what")
    names = [*AXES, "open streams", "replicas"]
    parser.add_argument("--axes", nargs="*", default=names, choices=names)
    parser.add_argument("--most", type=int, default=1_000_000, help="largest size of an axis")
    parser.add_argument("--out", type=Path, default=Path(".bench"))
    options = parser.parse_args()
    options.out.mkdir(exist_ok=True)
    found = uvloop.run(run(options.axes, options.most))
    kept = options.out / "growth.json"
    before = json.loads(kept.read_text()) if kept.exists() else {}
    kept.write_text(json.dumps(before | found, indent=1))
    plot.draw_growth(found, options.out)


if __name__ == "__main__":
    main()
