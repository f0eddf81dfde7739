"""GET /healthz and /readyz, for load balancers and operators."""

import asyncio
import math
import time
from collections.abc import Mapping

import msgspec
from litestar import Response, get

from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.bus.health import Check, run_checks
from libs.contracts.calls import Dependency, Probe, probe

OTHERS = ("rag", "llm", "billing", "webhooks")
PROBE_TIMEOUT = 3.0
"""Seconds that a service gets to answer a probe."""


class Alive(msgspec.Struct):
    """A process that answers."""

    status: str = "ok"


class CheckResult(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One dependency: of the edge (`mongo`), or of a service (`rag/qdrant`)."""

    name: str
    ok: bool
    detail: str = ""


class Readiness(msgspec.Struct, kw_only=True):
    """Whether requests can be served, and what is missing."""

    ready: bool
    checks: list[CheckResult]


@get("/healthz", opt={"public": True}, summary="Alive?", tags=["Health"], security=[{}])
async def healthz() -> Alive:
    """Answer as long as this process runs."""
    return Alive()


class Probes:
    """Asks every service, once for all who want to know within `seconds`: anybody may ask."""

    def __init__(self, bus: Bus, checks: Mapping[str, Check], seconds: float) -> None:
        self._bus = bus
        self._checks = checks
        self._seconds = seconds
        self._begun = -math.inf
        self._probing: asyncio.Task[Readiness] | None = None

    async def latest(self) -> Readiness:
        """Return what was found by a probe that began within the last `seconds`, or is under way.

        A slow probe is asked for by many, and would be under way more than once otherwise.
        """
        now = time.monotonic()
        if self._probing is None or (self._probing.done() and now - self._begun >= self._seconds):
            self._begun = now
            self._probing = asyncio.create_task(_probe_all(self._bus, self._checks))
        # Shared with others: it goes on when this one has left.
        return await asyncio.shield(self._probing)


@get("/readyz", opt={"public": True}, summary="Ready?", tags=["Health"], security=[{}])
async def readyz(probes: Probes) -> Response[Readiness]:
    """Try every dependency of every service; 503 names the ones that don't answer."""
    found = await probes.latest()
    return Response(found, status_code=200 if found.ready else 503)


async def _probe_all(bus: Bus, checks: Mapping[str, Check]) -> Readiness:
    own, others = await asyncio.gather(
        run_checks(checks), asyncio.gather(*(_probe(bus, service) for service in OTHERS))
    )
    found = [CheckResult(name=one.name, ok=one.ok, detail=one.detail) for one in own]
    found += [check for answers in others for check in answers]
    return Readiness(ready=all(check.ok for check in found), checks=found)


async def _probe(bus: Bus, service: str) -> list[CheckResult]:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            health = await bus.call(probe(service), Probe(), patience=0)
    except (BusError, TimeoutError):
        return [CheckResult(name=service, ok=False, detail="no process of this service answers")]
    return [_named(service, dependency) for dependency in health.dependencies]


def _named(service: str, dependency: Dependency) -> CheckResult:
    return CheckResult(
        name=f"{service}/{dependency.name}", ok=dependency.ok, detail=dependency.detail
    )
