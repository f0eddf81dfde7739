"""What goes wrong, at random: what runs dies, messages come twice, upstreams misbehave."""

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress

from nats.aio.msg import Msg
from nats.errors import Error as NatsError

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.contracts import subjects
from libs.runtime.ids import new_id
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.fakes.webhook_receiver import Receiver
from tests.stack import Stack

MODEL = "chaos"
MOODS = (
    Script(tokens=40, interval_ms=15),
    Script(tokens=40, interval_ms=15, chunk_text="word{n} "),  # a take-over says something else
    Script(tokens=200, interval_ms=10, burst=4),
    Script(tokens=40, first_token_ms=1500, interval_ms=5),
)
BROKEN = (
    Script(cut_after=8, interval_ms=10),
    Script(malformed_after=8, interval_ms=10),
    Script(error_after=8, interval_ms=10),
    Script(stall_after=8, interval_ms=10),
    Script(status=503, failures=3),
    Script(status=500),
)
DUPLICATED = 0.05
"""Share of the messages on the bus that are put there once more."""
DOWN = (0.2, 2.5)
"""Seconds that something is dead, at least and at most."""


class Faults:
    """Breaks a running stack. `done` counts what was done."""

    def __init__(
        self, stack: Stack, model: FakeOpenAI, receiver: Receiver, hooks: list[str], seed: int
    ) -> None:
        self._stack = stack
        self._model = model
        self._receiver = receiver
        self._hooks = hooks
        self._rng = random.Random(seed)
        self.done: Counter[str] = Counter()
        self.model_moods()

    @property
    def kills(self) -> int:
        """How many processes were killed -9."""
        return sum(count for name, count in self.done.items() if name.startswith("kill "))

    async def run(self, seconds: float, interval: float) -> None:
        """Break something about every `interval` seconds; everything runs again at the end."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            await asyncio.sleep(self._rng.uniform(0.5, 1.5) * interval)
            match self._rng.choices(("service", "server", "drain"), (70, 18, 12))[0]:
                case "service":
                    await self._kill_service()
                case "server":
                    await self._kill_server()
                case "drain":
                    await self._restart_politely()
            self.model_moods()
            self._receiver_mood()

    def model_moods(self) -> None:
        """Let the language model answer in some way, now and then not at all."""
        broken = self._rng.random() < 0.15
        self._model.scripts[MODEL] = self._rng.choice(BROKEN if broken else MOODS)
        self.done["upstream broken" if broken else "upstream changed"] += 1

    def _receiver_mood(self) -> None:
        for _ in range(self._rng.randrange(5)):
            self._receiver.script(self._rng.choice(self._hooks), self._rng.choice((500, 503, 429)))
            self.done["webhook refused"] += 1

    async def _kill_service(self) -> None:
        name = self._rng.choice(sorted(self._stack.processes))
        self._stack.kill(name)
        self.done[f"kill {name.partition('-')[0]}"] += 1
        await asyncio.sleep(self._rng.uniform(*DOWN))
        self._stack.restart(name)

    async def _kill_server(self) -> None:
        name = self._rng.choice(sorted(self._stack.servers))
        server = self._stack.servers[name]
        server.kill()
        self.done[f"kill {name}"] += 1
        await asyncio.sleep(self._rng.uniform(*DOWN))
        await asyncio.to_thread(server.start)

    async def _restart_politely(self) -> None:
        name = self._rng.choice(sorted(self._stack.processes))
        await self._stack.drain(name)
        self.done[f"restart {name.partition('-')[0]}"] += 1
        self._stack.restart(name)

    async def duplicate(self, bus: Bus) -> None:
        """From now on put some of what goes over the bus there once more, a little later."""
        running: set[asyncio.Task[None]] = set()

        async def again(message: Msg) -> None:
            await asyncio.sleep(self._rng.uniform(0, 5))
            if message.subject.startswith("events."):
                # What the log refused never was: only what is on it can come twice.
                with suppress(ServiceUnavailable):
                    logged = await bus.last(subjects.EVENTS, message.subject)
                    if logged is None or logged.data != message.data:
                        return
            headers = {"Nats-Msg-Id": new_id("duplicate"), "Chaos": "duplicate"}
            with suppress(NatsError):  # NATS is away
                await bus.client.publish(message.subject, message.data, headers=headers)

        async def seen(message: Msg) -> None:
            if "Chaos" in (message.headers or {}) or self._rng.random() > DUPLICATED:
                return
            self.done["duplicate"] += 1
            task = asyncio.create_task(again(message))
            running.add(task)
            task.add_done_callback(running.discard)

        for subject in ("chat.requested", "chat.grounded", "events.message.*.*"):
            await bus.client.subscribe(subject, cb=seen)
