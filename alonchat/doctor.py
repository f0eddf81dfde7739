"""`alonchat doctor`: tries every dependency; a sentence on each, with what to do when it fails."""

import asyncio
from collections.abc import Sequence
from contextlib import AsyncExitStack

import httpx

from alonchat import embeddings, model_server
from alonchat.connection import connected
from alonchat.errors import OperatorError
from alonchat.finding import Finding
from alonchat.stack import env_file, machine
from alonchat.stack.settings import StackSettings
from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.bus.health import run_checks
from libs.contracts.calls import SERVICES, Probe, probe
from libs.contracts.subjects import DEAD
from libs.runtime.settings import Settings, SettingsError

PROBE_TIMEOUT = 5.0
"""Seconds that a service or server gets to answer."""


async def examine(service: str | None) -> list[Finding]:
    """Try everything, or only what one service says of itself."""
    found = [] if service else machine.findings()
    try:
        settings = Settings.load()
    except SettingsError as error:
        return [*found, Finding(name="settings", ok=False, sentence=str(error))]
    if service:
        return await _services(settings, (service,))
    # From the ground up: the first failure is the one to look at.
    found += [await _mongo(settings)]
    found += await _services(settings, SERVICES)
    found += await embeddings.findings()
    found += [await _edge()]
    return found


async def _services(settings: Settings, names: Sequence[str]) -> list[Finding]:
    """Try NATS, then every service through it."""
    async with AsyncExitStack() as stack:
        try:
            bus = await stack.enter_async_context(connected(settings))
            await bus.ping()
            dead_letters = await bus.kept(DEAD)
        except OperatorError as error:
            return [Finding(name="nats", ok=False, sentence=str(error))]
        except BusError:
            sentence = "NATS answers without JetStream: start nats-server with `-js`."
            return [Finding(name="nats", ok=False, sentence=sentence)]
        nats = Finding(name="nats", ok=True, sentence="NATS answers, JetStream is on.")
        probing = asyncio.gather(*(_service(bus, name) for name in names))
        probed, model = await asyncio.gather(probing, _model(bus, names))
        found = [finding for findings in probed for finding in findings]
        return [
            nats,
            *(one for one in found if not (model and one.name == model_server.PROBED)),
            *model,
            *_dead_letters(dead_letters),
        ]


async def _model(bus: Bus, names: Sequence[str]) -> list[Finding]:
    """Ask the model server; not for what one service says of itself, which health checks do."""
    return await model_server.examine(bus) if len(names) > 1 else []


async def _service(bus: Bus, name: str) -> list[Finding]:
    try:
        health = await bus.call(probe(name), Probe(), patience=0)
    except BusError:
        sentence = f"No process of {name} answers: start one with `alonchat serve {name}`."
        return [Finding(name=name, ok=False, sentence=sentence)]
    failing = [one for one in health.dependencies if not one.ok]
    if not failing:
        needs = ", ".join(one.name for one in health.dependencies) or "nothing else"
        return [Finding(name=name, ok=True, sentence=f"{name} answers and reaches {needs}.")]
    return [
        Finding(
            name=f"{name}/{one.name}",
            ok=False,
            sentence=f"{name} can't use {one.name} ({one.detail}): start it, or correct its URL.",
        )
        for one in failing
    ]


def _dead_letters(count: int) -> list[Finding]:
    """Say that there are some: not a failure of the system, but somebody should look."""
    if not count:
        return []
    sentence = (
        f"{count} dead letters: messages that could not be handled; see `alonchat dead list`."
    )
    return [Finding(name="dead letters", ok=True, sentence=sentence)]


async def _mongo(settings: Settings) -> Finding:
    # The image of llm has this command, for its health check, but no driver.
    from libs.runtime.mongo import open_mongo, ping_mongo  # noqa: PLC0415 -- see above

    async def answers() -> None:
        async with open_mongo(settings.mongo_url, settings.mongo_database) as database:
            await ping_mongo(database)

    (mongo,) = await run_checks({"mongo": answers})
    if mongo.ok:
        return Finding(name="mongo", ok=True, sentence="Mongo answers.")
    sentence = f"Mongo does not answer ({mongo.detail}): start it, or correct MONGO_URL."
    return Finding(name="mongo", ok=False, sentence=sentence)


async def _edge() -> Finding:
    """Ask the edge over HTTP, as a load balancer does."""
    stack = StackSettings.load()
    noted = env_file.read(stack.stack_file)
    url = stack.model_copy(
        update={
            "host": noted.get("HOST", stack.host),
            "port": int(noted.get("PORT", stack.port)),
        }
    ).url
    try:
        async with httpx.AsyncClient(timeout=PROBE_TIMEOUT, trust_env=False) as client:
            response = await client.get(f"{url}/readyz")
            missing = [one["name"] for one in response.json()["checks"] if not one["ok"]]
    except (httpx.HTTPError, ValueError, KeyError):
        sentence = f"The API does not answer at {url}: start it, or correct HOST and PORT."
        return Finding(name="edge", ok=False, sentence=sentence)
    if missing:
        sentence = f"The API at {url} is not ready: see to {', '.join(missing)}."
        return Finding(name="edge", ok=False, sentence=sentence)
    return Finding(name="edge", ok=True, sentence=f"The API is ready at {url}.")
