"""rag as a process that can be killed."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.bus.bus import Bus
from libs.contracts.calls import Probe, probe
from tests.rag.service import PATIENCE


@asynccontextmanager
async def process(environment: dict[str, str]) -> AsyncIterator[Process]:
    """Run `python -m services rag`, and end it with the block if it has not ended by then."""
    started = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "services", "rag", env=environment, stderr=asyncio.subprocess.PIPE
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
        await started.communicate()


async def until_up(bus: Bus) -> None:
    """Wait until a rag process answers."""
    await bus.call(probe("rag"), Probe(), patience=PATIENCE)


async def stop(running: Process) -> int | None:
    """Tell a process to stop, as an orchestrator does; return its exit status."""
    running.terminate()
    await running.communicate()
    return running.returncode
