"""Owners are told once that their credits are low or used up."""

import asyncio

from libs.bus.bus import Bus
from libs.bus.queues import Delivered, consume
from libs.contracts.billing import Hold, LedgerEntry
from libs.contracts.events import CreditsExhausted, CreditsLow
from libs.contracts.queues import CREDITS_EXHAUSTED, CREDITS_LOW
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.billing.ledger import Ledger, Left, TooFewCredits, entry_id
from services.billing.warnings import Warnings
from tests.waiting import eventually


class Told:
    """What owners were told, as it came."""

    def __init__(self, bus: Bus) -> None:
        self.events: list[CreditsLow | CreditsExhausted] = []
        consume(bus, CREDITS_LOW, self._came, by="test", slots=1)
        consume(bus, CREDITS_EXHAUSTED, self._came, by="test", slots=1)

    async def _came(self, delivered: Delivered[CreditsLow | CreditsExhausted]) -> None:
        self.events.append(delivered.message)

    async def wait_for(self, *names: str) -> list[CreditsLow | CreditsExhausted]:
        """Wait for exactly these, in any order."""

        async def as_expected() -> bool:
            return sorted(type(one).__name__ for one in self.events) == sorted(names)

        await eventually(as_expected)
        return self.events


class Account:
    """An account that is granted credits and spends them."""

    def __init__(self, bus: Bus, database: Database) -> None:
        self.ledger = Ledger(database)
        self.warnings = Warnings(bus, self.ledger, threshold=10)

    async def grant(self, credits: int) -> None:
        """Add credits."""
        entry = LedgerEntry(id=entry_id(new_id("grant")), kind="grant", credits=credits, at=now())
        await self.ledger.grant("acc_1", entry)

    async def spend(self, times: int) -> None:
        """Have five credits spent, so many times at once, by two processes."""
        await asyncio.gather(*(self._answer() for _ in range(times)))

    async def _answer(self) -> None:
        message_id = new_id("msg")
        hold = Hold(
            account_id="acc_1",
            agent_id="agent_1",
            conversation_id="conv_1",
            message_id=message_id,
            model="gpt-5.2",
        )
        try:
            await self.ledger.hold(hold, 5)
        except TooFewCredits as error:
            await self.warnings.refused("acc_1", "agent_1", error.left)
            return
        entry = LedgerEntry(id=entry_id(message_id), kind="debit", credits=-5, at=now())
        for _ in range(2):  # as when its event comes again
            left = await self.ledger.debit("acc_1", message_id, entry)
            await self.warnings.paid("acc_1", "agent_1", left)


async def test_each_is_told_once_until_credits_are_added(bus: Bus, database: Database) -> None:
    """Not above the threshold; once below it; once at the end; again after a grant."""
    told = Told(bus)
    await bus.start()
    account = Account(bus, database)
    await account.grant(100)
    await account.spend(18)
    assert told.events == []
    await account.spend(1)
    [low] = await told.wait_for("CreditsLow")
    assert isinstance(low, CreditsLow)
    assert (low.available, low.threshold, low.account_id) == (5, 10, "acc_1")
    await account.spend(5)
    _, exhausted = await told.wait_for("CreditsLow", "CreditsExhausted")
    assert exhausted.available == 0
    await account.spend(5)
    await account.grant(7)
    await account.spend(1)
    await account.spend(1)
    await told.wait_for("CreditsLow", "CreditsExhausted", "CreditsLow", "CreditsExhausted")


async def test_told_but_not_noted_is_told_once(bus: Bus, database: Database) -> None:
    """After a kill -9 between the two the event's id is the same."""
    told = Told(bus)
    await bus.start()
    account = Account(bus, database)
    await account.grant(3)
    for _ in range(2):
        await account.warnings.paid("acc_1", "agent_1", Left(3))
    await account.warnings.refused("acc_1", "agent_1", Left(3, ("low",)))
    await told.wait_for("CreditsLow", "CreditsExhausted")


async def test_a_threshold_of_nothing_tells_of_the_end_only(bus: Bus, database: Database) -> None:
    """CREDITS_LOW=0."""
    told = Told(bus)
    await bus.start()
    await Warnings(bus, Ledger(database), threshold=0).paid("acc_1", "agent_1", Left(0))
    await told.wait_for("CreditsExhausted")
