"""Runs services in this process until it is told to stop."""

import asyncio
import signal
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module

import structlog
import uvloop

from libs.runtime import logs
from libs.runtime.settings import Settings

log = structlog.get_logger()

SERVICES = ("billing", "webhooks", "llm", "rag", "api")
"""In the order in which they start; they stop in the opposite one, the edge first."""


def serve(names: Sequence[str]) -> None:
    """Run the named services, all when none is named, until SIGTERM or SIGINT."""
    settings = Settings.load()
    chosen = [name for name in SERVICES if not names or name in names]
    logs.configure(settings.log_level, settings.log_format, "+".join(chosen))
    uvloop.run(_serve(chosen))


async def _serve(names: Sequence[str]) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with AsyncExitStack() as stack:
        for name in names:
            app = import_module(f"services.{name}.app")
            await stack.enter_async_context(app.run())
            log.info("service.started", name=name)
        await stop.wait()
        log.info("service.stopping")
