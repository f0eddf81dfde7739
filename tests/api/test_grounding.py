"""Passages that are found while a message is accepted, on a real NATS server."""

import asyncio

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.bus.errors import FaultError
from libs.contracts.chat import GROUND, Ground, Grounded
from services.api.chat.grounding import Grounding

FOUND = Grounded(passages=(), confidence=0.4)


async def test_the_passages_come_back(bus: Bus) -> None:
    """Rag is asked with all that it needs."""
    seen: list[Ground] = []

    async def ground(asked: Ground) -> Grounded:
        seen.append(asked)
        return FOUND

    serve_call(bus, GROUND, ground)
    await bus.start()
    assert await Grounding(bus, at_once=1).of(Ground(agent_id="agent_1", question="When?")) == FOUND
    assert seen == [Ground(agent_id="agent_1", question="When?")]


async def test_without_rag_the_durable_way_is_taken_at_once(bus: Bus) -> None:
    """Nobody answers: no message waits for that."""
    async with asyncio.timeout(1):
        assert (
            await Grounding(bus, at_once=1).of(Ground(agent_id="agent_1", question="When?")) is None
        )


async def test_what_rag_can_not_do_takes_the_durable_way(bus: Bus) -> None:
    """There it is tried again until it can."""

    async def ground(_: Ground) -> Grounded:
        raise FaultError("unavailable", "rag misses a server")

    serve_call(bus, GROUND, ground)
    await bus.start()
    assert await Grounding(bus, at_once=1).of(Ground(agent_id="agent_1", question="When?")) is None


async def test_more_than_there_is_room_for_takes_the_durable_way(bus: Bus) -> None:
    """The line is rag's queue, which is bounded and loses nothing; a place that is left is free."""
    release, asked = asyncio.Event(), asyncio.Event()

    async def ground(_: Ground) -> Grounded:
        asked.set()
        await release.wait()
        return FOUND

    serve_call(bus, GROUND, ground)
    await bus.start()
    grounding = Grounding(bus, at_once=1)
    first = asyncio.create_task(grounding.of(Ground(agent_id="agent_1", question="When?")))
    await asked.wait()
    assert await grounding.of(Ground(agent_id="agent_1", question="Where?")) is None
    release.set()
    assert await first == FOUND
    assert await grounding.of(Ground(agent_id="agent_1", question="Why?")) == FOUND
