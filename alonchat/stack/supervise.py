"""Keeps child processes alive: starts them, restarts those that die, stops them."""

import asyncio
import os
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from alonchat.stack.child import tied

log = structlog.get_logger()

RESTART_DELAYS = (0.1, 0.5, 2.0, 5.0)
"""Seconds before the first, second, … restart of a child; the last one repeats."""
STEADY_AFTER = 30.0
"""Seconds after which a child that dies counts as dying for the first time."""


@dataclass(frozen=True)
class Program:
    """What to run. `log` None: it writes to our own output."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    log: Path | None = None


class Supervisor:
    """The children of this process.

    `held_fd` is inherited by each, so a lock on it lasts as long as any of them; `changed` gets
    the process ids by name whenever they change.
    """

    def __init__(self, held_fd: int, changed: Callable[[Mapping[str, int]], None]) -> None:
        self.deaths: Counter[str] = Counter()
        self._held_fd = held_fd
        self._changed = changed
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._watching: dict[str, asyncio.Task[None]] = {}

    async def start(self, program: Program) -> None:
        """Start a program and keep it alive."""
        await self._spawn(program)
        self._watching[program.name] = asyncio.create_task(self._watch(program))

    async def stop(self, *names: str, timeout: float) -> None:
        """End children together: SIGTERM, and SIGKILL for what is left after `timeout` seconds."""
        watching = [self._watching.pop(name) for name in names if name in self._watching]
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)  # one may be starting its child
        processes = [self._processes.pop(name) for name in names if name in self._processes]
        await asyncio.gather(*(_end(process, timeout) for process in processes))

    async def _watch(self, program: Program) -> None:
        loop = asyncio.get_running_loop()
        quick_deaths = 0
        while True:
            started = loop.time()
            code = await self._processes[program.name].wait()
            self.deaths[program.name] += 1
            quick_deaths = 0 if loop.time() - started > STEADY_AFTER else quick_deaths + 1
            delay = RESTART_DELAYS[max(0, min(quick_deaths, len(RESTART_DELAYS)) - 1)]
            log.warning(
                "child.died",
                name=program.name,
                code=code,
                deaths=self.deaths[program.name],
                restart_in=delay,
            )
            await asyncio.sleep(delay)
            await self._spawn_patiently(program)

    async def _spawn_patiently(self, program: Program) -> None:
        """Start a program when the machine lets us: no memory, no handles, a full disk may pass."""
        while True:
            try:
                await self._spawn(program)
            except OSError as error:
                log.error("child.not_started", name=program.name, error=str(error))
                await asyncio.sleep(RESTART_DELAYS[-1])
            else:
                return

    async def _spawn(self, program: Program) -> None:
        output = program.log.open("ab") if program.log else None
        try:
            process = await asyncio.create_subprocess_exec(
                *tied(program.command),
                env=os.environ | dict(program.env),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(self._held_fd,),
                # A Ctrl-C in the terminal is for us; we stop the children in order.
                start_new_session=True,
            )
        finally:
            if output:
                output.close()
        self._processes[program.name] = process
        self._changed({name: running.pid for name, running in self._processes.items()})


async def _end(process: asyncio.subprocess.Process, timeout: float) -> None:
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        await asyncio.wait_for(process.wait(), timeout)
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
