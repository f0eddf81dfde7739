"""`python -m tests.chaos.outcomes`: kill -9 NATS in the moment when a message gets its outcome.

A light load goes on meanwhile. In the end every message has one outcome, stored, billed and
delivered, and every client was told: see audit.py.
"""

import argparse
import asyncio
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import nats
from nats.aio.msg import Msg

from alonchat.stack.embedded import free_port
from tests.chaos.faults import MODEL
from tests.chaos.run import Options, Result, outcome, world
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.stack import Stack

MOMENTS = {
    "events.message.sent.*": 12,
    "events.message.failed.*": 2,
    "webhooks.deliveries.>": 3,
    "chat.grounded": 2,
    "chat.requested": 1,
    "chat.replies.>": 2,
}
"""What NATS dies at, and how often it is chosen: outcomes, and what any other loss would hit."""
LATE = (0.0, 0.0, 0.002, 0.01, 0.04, 0.1)
"""Seconds between that moment and the kill: deliveries, writes, acknowledgements."""
DOWN = (0.0, 0.0, 0.2, 1.0)
"""Seconds that NATS is away, besides its start."""
MOMENT_TIMEOUT = 20.0
"""Seconds to wait for a moment, such as a failure, which may not come."""


MOODS = (
    Script(tokens=5, interval_ms=2),
    Script(tokens=5, interval_ms=2),
    Script(tokens=30, interval_ms=10),
    Script(status=500),
)
"""How the language model answers: most answers are short, so that there are many outcomes."""


class Killings:
    """Kills NATS so many times. `done` counts at what."""

    def __init__(self, stack: Stack, model: FakeOpenAI, kills: int, seed: int) -> None:
        self._stack = stack
        self._model = model
        self._left = kills
        self._rng = random.Random(seed)
        self.done: Counter[str] = Counter()

    @property
    def kills(self) -> int:
        """How many kills there were."""
        return self.done.total()

    async def run(self) -> None:
        """Kill; everything runs again at the end."""
        while self._left:
            self._model.scripts[MODEL] = self._rng.choice(MOODS)
            moment = self._rng.choices(list(MOMENTS), list(MOMENTS.values()))[0]
            async with self._watched(moment) as came:
                try:
                    async with asyncio.timeout(MOMENT_TIMEOUT):
                        await came.wait()
                except TimeoutError:
                    continue
                await asyncio.sleep(self._rng.choice(LATE))
                server = self._stack.servers["nats"]
                server.kill()
            await asyncio.sleep(self._rng.choice(DOWN))
            await asyncio.to_thread(server.start)
            self.done[moment] += 1
            self._left -= 1
            if self._left % 50 == 0:
                print(f"{self.kills} kills", flush=True)

    @asynccontextmanager
    async def _watched(self, moment: str) -> AsyncIterator[asyncio.Event]:
        """Hand over what is set at one of the next messages on a subject."""
        came = asyncio.Event()
        left = self._rng.randrange(1, 4)

        async def count(_: Msg) -> None:
            nonlocal left
            left -= 1
            if left == 0:
                came.set()

        client = await nats.connect(self._stack.nats_url, allow_reconnect=False)
        await client.subscribe(moment, cb=count)
        try:
            yield came
        finally:
            await client.close()


async def run(options: Options, kills: int) -> Result:
    """Run the load and the kills, let everything settle, audit it."""
    async with world(options) as around:
        # A second edge: what is told to one may have been recorded by the other.
        around.stack.ports["api-2"] = free_port()
        around.stack.restart("api-2")
        await around.stack.ready()
        killings = Killings(around.stack, around.model, kills, options.seed)
        return await outcome(around, killings, killings.run())


def main() -> int:
    """Run once; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=random.randrange(10_000))
    parser.add_argument("--rate", type=float, default=6, help="messages a second")
    arguments = parser.parse_args()
    options = Options(seed=arguments.seed, seconds=0, rate=arguments.rate, interval=0, replicas=1)
    print(f"seed {options.seed}; logs in {options.directory}", flush=True)
    result = asyncio.run(run(options, arguments.kills))
    print(result.report())
    return 1 if result.audit.violations else 0


if __name__ == "__main__":
    sys.exit(main())
