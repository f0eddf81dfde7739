"""Credits under any interleaving: what was asked at once, twice, in two processes that may die."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from libs.contracts.billing import Hold
from libs.runtime.mongo import Database
from services.billing.ledger import Ledger, TooFewCredits
from services.billing.outcomes import settle_sent
from tests.support.ledger import a_hold, granted, ledger_sum, sent

WRITES = {"update_one", "insert_one", "insert_many"}


class Died(Exception):
    """The process that was asked is gone."""


class Dying:
    """A database, seen by a process that dies at one of its writes, before or after it is done."""

    def __init__(self, database: Database, writes: int, *, done: bool) -> None:
        self._database = database
        self._left = writes
        self._done = done
        self.dead = False

    def __getitem__(self, name: str) -> "DyingCollection":
        """Return a collection."""
        return DyingCollection(self, self._database[name])

    async def write(self, write: Callable[..., Awaitable[Any]], *args: Any, **options: Any) -> Any:
        """Write, or die."""
        self._left -= 1
        last = self._left < 0
        if self.dead or (last and not self._done):
            self.dead = True
            raise Died
        self.dead = last
        result = await write(*args, **options)
        if last:
            raise Died
        return result


class DyingCollection:
    """One of its collections."""

    def __init__(self, database: Dying, collection: Any) -> None:
        self._database = database
        self._collection = collection

    def __getattr__(self, name: str) -> Any:
        """Return a method: what reads is the collection's own, what writes may be the last."""
        if self._database.dead:
            raise Died
        method = getattr(self._collection, name)
        if name not in WRITES:
            return method
        return lambda *args, **options: self._database.write(method, *args, **options)


class Process:
    """Billing in a process that is started again whenever it died."""

    def __init__(self, database: Database, deaths: list[tuple[int, bool]]) -> None:
        self._database = database
        self._deaths = deaths
        self._start()

    def _start(self) -> None:
        if self._deaths:
            writes, done = self._deaths.pop()
            self._seen: Any = Dying(self._database, writes, done=done)
        else:
            self._seen = self._database
        self._ledger = Ledger(cast("Database", self._seen))

    async def do(self, work: Callable[[Ledger], Awaitable[None]]) -> None:
        """Work, again and again until it is done: what was not acknowledged is delivered again."""
        while True:
            ledger = self._ledger
            try:
                return await work(ledger)
            except Died:
                if ledger is self._ledger:
                    self._start()


@dataclass(frozen=True)
class Asked:
    """A message: what it holds, what its answer costs (None: it failed), how often it is told."""

    credits: int
    spent: int | None
    deliveries: int


def asked() -> st.SearchStrategy[Asked]:
    """A message whose answer costs at most what was held."""
    return st.integers(0, 9).flatmap(
        lambda credits: st.builds(
            Asked,
            st.just(credits),
            st.none() | st.integers(0, credits),
            st.integers(1, 3),
        )
    )


DEATHS = st.lists(st.tuples(st.integers(0, 6), st.booleans()), max_size=6)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    messages=st.lists(asked(), min_size=1, max_size=12),
    credits=st.integers(1, 60),
    deaths=st.tuples(DEATHS, DEATHS),
)
async def test_whatever_happens_the_ledger_is_the_balance(
    database: Database,
    messages: list[Asked],
    credits: int,
    deaths: tuple[list[tuple[int, bool]], list[tuple[int, bool]]],
) -> None:
    """Two processes, each message held, told and told again, by either; each costs once."""
    processes = [Process(database, list(each)) for each in deaths]
    plain = Ledger(database)
    account_id = await granted(plain, credits)

    async def ask(number: int, message: Asked) -> int:
        hold = a_hold(account_id)
        try:
            await processes[number % 2].do(lambda ledger: ledger.hold(hold, message.credits))
        except TooFewCredits:
            return 0
        await asyncio.gather(
            *(
                processes[(number + times) % 2].do(lambda ledger: end(ledger, hold, message))
                for times in range(message.deliveries)
            )
        )
        return message.spent or 0

    spent = sum(await asyncio.gather(*(ask(*each) for each in enumerate(messages))))
    balance = await plain.balance(account_id)
    assert balance.held == 0
    assert balance.balance == credits - spent >= 0
    assert await ledger_sum(database, account_id) == balance.balance


async def end(ledger: Ledger, hold: Hold, message: Asked) -> None:
    """Deliver the outcome of a message."""
    if message.spent is None:
        await ledger.refund(hold.account_id, hold.message_id)
    else:
        await settle_sent(ledger, sent(hold, message.spent))
