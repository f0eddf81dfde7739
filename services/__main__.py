"""`python -m services [name…]`: run services until told to stop; none named means all of them."""

import asyncio
import gc
import signal
import sys
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib import import_module

import structlog
import uvloop

from libs.contracts.calls import SERVICES
from libs.runtime import logs
from libs.runtime.settings import Settings, SettingsError

log = structlog.get_logger()

GARBAGE_AFTER = 20_000
"""Objects that were made and not freed, after which cycles among them are looked for."""


def main(names: list[str]) -> None:
    """Run the named services until told to stop; exit with one sentence when that can't work."""
    unknown = [name for name in names if name not in SERVICES]
    if unknown:
        sys.exit(f"unknown service {unknown[0]}: there are {', '.join(SERVICES)}")
    try:
        serve(names)
    except SettingsError as error:
        sys.exit(str(error))


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
        _collect_less()
        await stop.wait()
        log.info("service.stopping")


def _collect_less() -> None:
    """Look for garbage in what comes from now on, and less often.

    What a service is made of stays for as long as it runs: some 300,000 objects, which every full
    collection went through. Most requests leave no cycles.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(GARBAGE_AFTER)


if __name__ == "__main__":
    main(sys.argv[1:])
