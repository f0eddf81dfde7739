"""A process that dies while it accepts a message with an Idempotency-Key, on a real database."""

import asyncio
from datetime import timedelta

import pytest

from libs.bus.errors import ServiceUnavailable
from libs.contracts.accounts import Account
from libs.runtime.clock import now
from libs.runtime.mongo import Database
from services.api.chat.idempotency import LEASE, Idempotency, Repeated
from services.api.chat.turn import Turn, new_ids
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


def asked(question: str = "Hello") -> Turn:
    """A message as one process checked it, with ids of its own."""
    return Turn(CALLER, AGENT, question, None, "{}", False, new_ids(CALLER, None))


class Edge:
    """What accepts messages in one process; it is stuck in the middle until it is told to go."""

    def __init__(self) -> None:
        self.turns: list[Turn] = []
        self.begun = asyncio.Event()
        self.go = asyncio.Event()

    async def accept(self, turn: Turn) -> Turn:
        """Accept a message."""
        self.turns.append(turn)
        self.begun.set()
        await self.go.wait()
        return turn


async def once(database: Database, edge: Edge, turn: Turn, *, wait: bool = True) -> Turn | Repeated:
    """Accept a message with the key "k", as a process does."""
    idempotency = Idempotency(Claims(database), Conversations(database))
    return await idempotency.once(turn, "k", edge.accept, wait=wait)


async def died(database: Database) -> Turn:
    """A process takes the key, and is gone before the message is accepted."""
    edge = Edge()
    accepting = asyncio.create_task(once(database, edge, asked()))
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
        await once(database, edge, asked(), wait=False)
    earlier = now() - LEASE - timedelta(seconds=1)
    await database["idempotency"].update_many({}, {"$set": {"claimed_at": earlier}})
    results = await asyncio.gather(*(once(database, edge, asked()) for _ in range(5)))
    assert edge.turns == [lost]
    assert [isinstance(result, Repeated) for result in results].count(False) == 1
    assert {result.turn for result in results if isinstance(result, Repeated)} == {lost}


class Broken(Edge):
    """What can't say whether it accepted the message: the server went away in the middle."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self._error = error

    async def accept(self, turn: Turn) -> Turn:
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
        await once(database, broken, asked())
    edge = Edge()
    edge.go.set()
    async with asyncio.timeout(LEASE.total_seconds() / 2):
        await once(database, edge, asked())
    assert edge.turns == broken.turns


async def test_what_is_refused_frees_its_key(database: Database) -> None:
    """Nothing of it is there, so the key may stand for another request."""
    refusing = Broken(NotFound("conversation"))
    with pytest.raises(NotFound):
        await once(database, refusing, asked())
    edge = Edge()
    edge.go.set()
    await once(database, edge, asked("Another one"))
    assert edge.turns != refusing.turns
