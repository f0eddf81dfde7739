"""Health: every service answers a probe by trying each of its dependencies."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.contracts.calls import Dependency, Health, Probe, probe

Check = Callable[[], Awaitable[None]]
"""Returns when the dependency answers, raises otherwise."""

CHECK_TIMEOUT = 1.5
"""Seconds that one dependency gets to answer."""


def answer_probes(bus: Bus, service: str, checks: Mapping[str, Check]) -> None:
    """Serve the service's probe call."""

    async def probed(_: Probe) -> Health:
        return Health(service=service, dependencies=await run_checks(checks))

    serve_call(bus, probe(service), probed)


async def run_checks(checks: Mapping[str, Check]) -> tuple[Dependency, ...]:
    """Try all dependencies at once."""
    return tuple(await asyncio.gather(*(_run(name, check) for name, check in checks.items())))


async def _run(name: str, check: Check) -> Dependency:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            await check()
    except TimeoutError:
        return Dependency(name=name, ok=False, detail=f"no answer within {CHECK_TIMEOUT} s")
    except Exception as error:  # whatever a driver raises means the same here: it does not work
        return Dependency(name=name, ok=False, detail=str(error) or repr(error))
    return Dependency(name=name, ok=True)
