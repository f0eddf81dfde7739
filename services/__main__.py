"""`python -m services [name…]`: run services until told to stop; none named means all of them."""

import asyncio
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
        await stop.wait()
        log.info("service.stopping")


if __name__ == "__main__":
    main(sys.argv[1:])
