"""`python -m tests.hostile`: attack a stack, measure what another tenant notices, print a table.

Starts the laptop stack (one process of each service, embedded servers) and a fake model server.
Exits with 1 when an answer of the other tenant failed, its p95 is more than 5 times the quiet one,
or a process took more memory than it may. Names whose DNS never answers are not among the attacks,
since nothing here looks up a name elsewhere: tests/egress has them, with a resolver of ours.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import msgspec
import uvloop

from tests.bench import systems
from tests.bench.systems import System
from tests.flow.client import HOURS, Client
from tests.hostile import memory, report, victim
from tests.hostile.attacks import ATTACKS
from tests.hostile.report import Row
from tests.hostile.target import Target
from tests.stack import Stack

SECONDS = 8.0
"""How long each attack lasts."""
LEAD = 1.0
"""Seconds that an attack has before the victim asks."""
SETTLE = 20.0
"""Seconds that the stack gets to recover."""
GRACE = 10.0
"""Seconds that an attack gets to end when its time is over."""
SLOW_ANSWER = {"tokens": 60, "first_token_ms": 500, "interval_ms": 1000}
SLOW_MODEL = "hostile-slow"


@asynccontextmanager
async def attacked() -> AsyncIterator[tuple[System, Stack]]:
    """Run a stack; hand out the victim's side of it."""
    with tempfile.TemporaryDirectory(prefix="hostile-") as name:
        directory = Path(name)
        with systems.upstream(directory) as model:
            _be_slow(model)
            async with systems.ours(directory / "data", model, chunks=0) as (system, stack):
                yield system, stack


def _be_slow(model: System) -> None:
    """Have one model of the fake server take a minute for an answer."""
    script = f"http://127.0.0.1:{model.port}/control/scripts/{SLOW_MODEL}"
    httpx.put(script, json=SLOW_ANSWER).raise_for_status()


async def aim(stack: Stack, seconds: float) -> Target:
    """Open an account for an attacker, with an agent and a publishable key."""
    key = await stack.account(plan="pro")
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
        client = Client(http, key)
        agent = await client.agent(HOURS, model="extractive")
        slow_agent = await client.agent(model=SLOW_MODEL)
        made = await client.post(
            f"/v1/agents/{agent}/keys", {"type": "publishable", "allowed_origins": ["*"]}
        )
    return Target(
        port=stack.ports["api"],
        key=key,
        publishable=made["key"],
        agent=agent,
        slow_agent=slow_agent,
        until=time.monotonic() + seconds,
    )


@asynccontextmanager
async def attacking(name: str, target: Target) -> AsyncIterator[None]:
    """Attack from a process of its own; it is over when the block ends."""
    encoded = msgspec.json.encode(target).decode()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.hostile.attacks", name, encoded
    )
    try:
        yield
        async with asyncio.timeout(max(0.0, target.left) + GRACE):
            await process.wait()
    except TimeoutError:
        print(f"{name} did not end by itself", flush=True)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def beside(name: str, system: System, stack: Stack, quiet: float, seconds: float) -> Row:
    """Measure the victim beside one attack."""
    target = await aim(stack, seconds + LEAD)
    async with memory.peaks(stack.pids) as most:
        async with attacking(name, target):
            await asyncio.sleep(LEAD)
            calm = await victim.ask(system, seconds)
        settled = await victim.settled(system, quiet * report.MOST_RATIO, SETTLE)
    return Row(name, quiet, calm.p95, calm.failed, settled, dict(most))


async def run(names: Sequence[str], seconds: float, most_ratio: float) -> list[str]:
    """Measure beside each attack, print as it goes; return what is not as it has to be."""
    problems: list[str] = []
    async with attacked() as (system, stack):
        await victim.ask(system, 2.0)  # warm
        quiet = (await victim.ask(system, seconds)).p95
        print(report.header(list(stack.pids)), flush=True)
        for name in names:
            row = await beside(name, system, stack, quiet, seconds)
            print(report.line(row), flush=True)
            problems += [f"{name}: {problem}" for problem in row.problems(most_ratio)]
    return problems


def main() -> None:
    """Read the options, measure, say what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--seconds", type=float, default=SECONDS, help="of each attack")
    parser.add_argument("--only", nargs="*", choices=list(ATTACKS), default=list(ATTACKS))
    parser.add_argument("--ratio", type=float, default=report.MOST_RATIO, help="most allowed")
    options = parser.parse_args()
    problems = uvloop.run(run(options.only, options.seconds, options.ratio))
    print("\n".join(problems) or "All within the bounds.")
    sys.exit(bool(problems))


if __name__ == "__main__":
    main()
