"""Events to fifty webhook endpoints of which twenty misbehave: `python -m tests.bench.webhooks`.

Starts the laptop stack (five services, embedded servers) and puts events on the log at a steady
rate; five agents have ten endpoints each, so every event is ten deliveries. Of each agent's
endpoints six are healthy, two answer after two seconds, one is dead (three of these hang, two
refuse the connection) and one answers 500 to the first attempt of every event. Prints what arrived,
how often and how late. With `--kill` the webhooks service and NATS are killed -9 in the middle.
"""

import argparse
import asyncio
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from libs.bus.bus import Bus, open_bus
from libs.bus.errors import ServiceUnavailable
from libs.contracts import webhooks
from libs.contracts.events import MessageReceived
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from tests.stack import Stack, running
from tests.waiting import eventually

AGENTS = 5
SLOW_SECONDS = 2.0
KINDS = ("healthy",) * 6 + ("slow", "slow", "dead", "flaky")
REFUSING = "http://127.0.0.1:9/dead"
SETTLED = 40.0
"""Seconds without anything new after which nothing more is waited for."""
PATIENCE = 900.0
"""Seconds that the slow endpoints get to work off what waits for them."""


@dataclass
class Endpoint:
    """One endpoint, and when each event arrived there, in order."""

    kind: str
    agent_id: str
    arrived: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


class Endpoints:
    """A small HTTP server for all endpoints: as little as it takes, so that it is not measured."""

    def __init__(self) -> None:
        self.by_path: dict[bytes, Endpoint] = {}
        self.last = time.monotonic()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                headers = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:-2])
                headers = {name.lower(): value for name, value in headers.items()}
                await reader.readexactly(int(headers[b"content-length"]))
                endpoint = self.by_path[head.split(b" ", 2)[1]]
                status = await self._answer(endpoint, headers[b"webhook-id"].decode())
                writer.write(b"HTTP/1.1 %s\r\ncontent-length: 0\r\n\r\n" % status)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _answer(self, endpoint: Endpoint, event_id: str) -> bytes:
        arrivals = endpoint.arrived[event_id]
        arrivals.append(time.monotonic())
        match endpoint.kind:
            case "dead":
                await asyncio.sleep(3600)
            case "slow":
                await asyncio.sleep(SLOW_SECONDS)
            case "flaky" if len(arrivals) == 1:
                return b"500 Error"
        self.last = time.monotonic()
        return b"200 OK"


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Endpoints, str]]:
    """Run the endpoints' server; hand out its base URL."""
    endpoints = Endpoints()
    server = await asyncio.start_server(endpoints.serve, "127.0.0.1", 0, backlog=2000)
    port = server.sockets[0].getsockname()[1]
    try:
        yield endpoints, f"http://127.0.0.1:{port}"
    finally:
        server.close()


async def subscribe(bus: Bus, endpoints: Endpoints, base: str) -> list[str]:
    """Create all endpoints; return the agents."""
    agents = [new_id("agent") for _ in range(AGENTS)]
    for number, agent_id in enumerate(agents):
        for index, kind in enumerate(KINDS):
            path = f"/{number}/{index}"
            endpoints.by_path[path.encode()] = Endpoint(kind, agent_id)
            refuses = kind == "dead" and number % 2
            request = webhooks.CreateEndpoint(
                account_id="acc_bench",
                agent_id=agent_id,
                name=kind,
                endpoint_url=REFUSING if refuses else base + path,
                events=("message.received",),
            )
            await bus.call(webhooks.CREATE_ENDPOINT, request)
    return agents


@dataclass
class Load:
    """Puts events on the log, evenly. `sent` has when each was begun, by agent."""

    bus: Bus
    agents: list[str]
    sent: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))

    async def run(self, events: int, rate: float) -> None:
        """Begin `rate` events a second; return when all are on the log."""
        begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(events):
                await asyncio.sleep(begun + number / rate - time.monotonic())
                group.create_task(self._emit(self.agents[number % len(self.agents)]))

    async def _emit(self, agent_id: str) -> None:
        event = MessageReceived(
            event_id=new_id("evt"),
            account_id="acc_bench",
            agent_id=agent_id,
            at=now(),
            message_id=new_id("msg"),
            conversation_id="conv_bench",
            message="What are your business hours? " * 5,
        )
        self.sent[agent_id][event.event_id] = time.monotonic()
        while True:
            try:
                await self.bus.emit(event)
            except ServiceUnavailable:  # NATS was killed
                await asyncio.sleep(0.2)
            else:
                return


async def kill(stack: Stack, after: float) -> None:
    """Kill -9 the webhooks service, some seconds later NATS, and start each again."""
    await asyncio.sleep(after)
    stack.kill("webhooks")
    await asyncio.sleep(1)
    stack.restart("webhooks")
    await asyncio.sleep(10)
    stack.servers["nats"].kill()
    await asyncio.sleep(1)
    await asyncio.to_thread(stack.servers["nats"].start)


def missing(endpoints: Endpoints, load: Load) -> Counter[str]:
    """Count the deliveries that have not arrived (as often as they must), by kind."""
    lacking: Counter[str] = Counter()
    for endpoint in endpoints.by_path.values():
        enough = 2 if endpoint.kind == "flaky" else 1
        lacking[endpoint.kind] += sum(
            len(endpoint.arrived.get(event_id, ())) < enough
            for event_id in load.sent[endpoint.agent_id]
        )
    del lacking["dead"]
    return lacking


def report(endpoints: Endpoints, load: Load) -> str:
    """Return a table: by kind how many arrived, more than once, and how late."""
    lines = ["| Endpoints | Deliveries | Missing | Duplicates | p50 | p95 | p99 | slowest |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for kind in ("healthy", "flaky", "slow"):
        chosen = [one for one in endpoints.by_path.values() if one.kind == kind]
        enough = 2 if kind == "flaky" else 1
        lates = sorted(
            endpoint.arrived[event_id][0] - begun
            for endpoint in chosen
            for event_id, begun in load.sent[endpoint.agent_id].items()
            if endpoint.arrived.get(event_id)
        )
        arrivals = [len(times) for endpoint in chosen for times in endpoint.arrived.values()]
        again = sum(max(0, count - enough) for count in arrivals)
        p50, p95, p99 = (lates[int(len(lates) * share)] for share in (0.5, 0.95, 0.99))
        lines.append(
            f"| {len(chosen)} {kind} | {len(lates):,} | {missing(endpoints, load)[kind]} | {again} "
            f"| {p50:.3f} s | {p95:.3f} s | {p99:.3f} s | {lates[-1]:.1f} s |"
        )
    return "\n".join(lines)


async def measure(events: int, rate: float, *, with_kills: bool) -> None:
    """Run it once and print the figures."""
    directory = Path(tempfile.mkdtemp(prefix="bench-webhooks-"))
    async with (
        serving() as (endpoints, base),
        running(directory, LOG_LEVEL="warning") as stack,
        open_bus(stack.nats_url, "bench") as bus,
    ):
        load = Load(bus, await subscribe(bus, endpoints, base))
        began = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(load.run(events, rate))
            if with_kills:
                group.create_task(kill(stack, events / rate / 3))
        print(f"{events} events in {time.monotonic() - began:.0f} s; see {directory}")
        await eventually(partial(_nothing_more, endpoints, load), timeout=PATIENCE, interval=1.0)
        print(f"the last one arrived after {endpoints.last - began:.0f} s")
        print(report(endpoints, load))


async def _nothing_more(endpoints: Endpoints, load: Load) -> bool:
    return time.monotonic() - endpoints.last > SETTLED or not missing(endpoints, load).total()


def main() -> None:
    """Read the options and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000)
    parser.add_argument("--rate", type=float, default=40.0, help="events a second")
    parser.add_argument("--kill", action="store_true", help="kill -9 webhooks and NATS")
    options = parser.parse_args()
    asyncio.run(measure(options.events, options.rate, with_kills=options.kill))


if __name__ == "__main__":
    main()
