"""A process that dies while it accepts a message with an Idempotency-Key, on a real database."""

import asyncio
from datetime import timedelta
from typing import cast

import pytest

from libs.bus.errors import ServiceUnavailable
from libs.contracts.accounts import Account
from libs.runtime.clock import now
from libs.runtime.mongo import Database
from services.api.chat.accept import Acceptance, Accepted, Question, Turn
from services.api.chat.idempotency import LEASE, Idempotency, Repeated
from services.api.edge.auth import Caller
from services.api.http.errors import InProgress, NotFound, Unavailable
from services.api.store.agents import Agent
from services.api.store.conversations import Conversations
from services.api.store.idempotency import Claims
from services.api.store.keys import Key

CALLER = Caller(
    Account(id="acc_1", name="Shop", plan="pro", created_at=now()),
    Key(
        id="key_1",
        account_id="acc_1",
        agent_id=None,
        type="secret",
        name="",
        key_prefix="sk_",
        allowed_origins=(),
        created_at=now(),
    ),
)
AGENT = Agent(
    id="agent_1",
    account_id="acc_1",
    name="Shop",
    instructions="",
    model=None,
    created_at=now(),
    updated_at=now(),
)
QUESTION = Question("Hello", None, "{}")


class Edge:
    """What accepts messages in one process; it is stuck in the middle until it is told to go."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def accept(
        self, _caller: Caller, _agent: Agent, _asked: Question, turn: Turn
    ) -> Accepted:
        """Accept a message."""
        self.turns.append(turn)
        self.begun.set()
        await self.go.wait()
        return cast("Accepted", turn)


def idempotency(database: Database, edge: Edge) -> Idempotency:
    """A process's own."""
    acceptance = cast("Acceptance", edge)
    return Idempotency(Claims(database), acceptance, Conversations(database))


async def died(database: Database) -> Turn:
    """A process takes the key, and is gone before the message is accepted."""
    edge = Edge()
    accepting = asyncio.create_task(
        idempotency(database, edge).accept(CALLER, AGENT, QUESTION, "k", wait=True)
    )
    await edge.begun.wait()
    accepting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await accepting
    return edge.turns[0]


async def test_what_a_dead_process_began_is_accepted_as_the_same_message(
    database: Database,
) -> None:
    """When its time is over, and by one of those who ask, however many."""
    lost = await died(database)
    edge = Edge()
    edge.go.set()
    with pytest.raises(InProgress):
        await idempotency(database, edge).accept(CALLER, AGENT, QUESTION, "k", wait=False)
    earlier = now() - LEASE - timedelta(seconds=1)
    await database["idempotency"].update_many({}, {"$set": {"claimed_at": earlier}})
    results = await asyncio.gather(
        *(
            idempotency(database, edge).accept(CALLER, AGENT, QUESTION, "k", wait=True)
            for _ in range(5)
        )
    )
    assert edge.turns == [lost]
    assert [isinstance(result, Repeated) for result in results].count(False) == 1
    assert {result.turn for result in results if isinstance(result, Repeated)} == {lost}


class Broken(Edge):
    """What can't say whether it accepted the message: the server went away in the middle."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def accept(
        self, _caller: Caller, _agent: Agent, _asked: Question, turn: Turn
    ) -> Accepted:
        """Publish it, perhaps."""
        self.turns.append(turn)
        raise self._error


@pytest.mark.parametrize("error", [ServiceUnavailable("nats"), Unavailable("nats")])
async def test_what_an_outage_cut_off_is_accepted_as_the_same_message(
    database: Database, error: Exception
) -> None:
    """At once: it may be answered, and another message under the key would be a second answer."""
    broken = Broken(error)
    with pytest.raises(type(error)):
        await idempotency(database, broken).accept(CALLER, AGENT, QUESTION, "k", wait=True)
    edge = Edge()
    edge.go.set()
    async with asyncio.timeout(LEASE.total_seconds() / 2):
        await idempotency(database, edge).accept(CALLER, AGENT, QUESTION, "k", wait=True)
    assert edge.turns == broken.turns


async def test_what_is_refused_frees_its_key(database: Database) -> None:
    """Nothing of it is there, so the key may stand for another request."""
    refusing = Broken(NotFound("conversation"))
    with pytest.raises(NotFound):
        await idempotency(database, refusing).accept(CALLER, AGENT, QUESTION, "k", wait=True)
    edge = Edge()
    edge.go.set()
    other = Question("Another one", None, "{}")
    await idempotency(database, edge).accept(CALLER, AGENT, other, "k", wait=True)
    assert edge.turns != refusing.turns
