"""Credits on a real Mongo server: exactly once, never below zero, always adding up."""

import asyncio
import random
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest

from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.billing.ledger import Ledger, TooFewCredits, entry_id
from services.billing.outcomes import settle_sent
from services.billing.statements import Statements
from tests.support.ledger import a_hold, grant_entry, granted, ledger_sum, sent, stored_hold


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    """An empty ledger."""
    ledger = Ledger(database)
    await ledger.create_indexes()
    return ledger


async def test_a_hold_becomes_one_debit_however_often_it_is_delivered(
    ledger: Ledger, database: Database
) -> None:
    """Redelivered holds and outcomes change nothing."""
    account_id = await granted(ledger, 10)
    hold = a_hold(account_id)
    for _ in range(3):
        await ledger.hold(hold, 4)
    held = await ledger.balance(account_id)
    assert (held.balance, held.held, held.available) == (10, 4, 6)
    for _ in range(3):
        await settle_sent(ledger, sent(hold, 4))
        await ledger.refund(account_id, hold.message_id)
    after = await ledger.balance(account_id)
    assert (after.balance, after.held, after.available) == (6, 0, 6)
    assert await ledger_sum(database, account_id) == 6


async def test_a_hold_that_comes_after_the_debit_is_given_back(
    ledger: Ledger, database: Database
) -> None:
    """A message may be accepted again while its outcome is on its way: it is paid for once."""
    account_id = await granted(ledger, 10)
    hold = a_hold(account_id)
    await ledger.hold(hold, 4)
    await settle_sent(ledger, sent(hold, 4))
    await ledger.hold(hold, 4)
    await settle_sent(ledger, sent(hold, 4))
    after = await ledger.balance(account_id)
    assert (after.balance, after.held, after.available) == (6, 0, 6)
    assert await ledger_sum(database, account_id) == 6


async def test_a_failed_answer_costs_nothing(ledger: Ledger, database: Database) -> None:
    """A refund gives back exactly what was held, once."""
    account_id = await granted(ledger, 10)
    hold = a_hold(account_id)
    await ledger.hold(hold, 4)
    for _ in range(3):
        await ledger.refund(account_id, hold.message_id)
    assert (await ledger.balance(account_id)).available == 10
    assert await ledger_sum(database, account_id) == 10


@pytest.mark.parametrize("processes", [1, 2])
async def test_the_same_hold_at_once_is_one(database: Database, processes: int) -> None:
    """A call that is asked again while it waits for the database comes in one group with itself."""
    ledgers = [Ledger(database) for _ in range(processes)]
    account_id = await granted(ledgers[0], 100)
    hold = a_hold(account_id)
    await asyncio.gather(*(ledgers[n % processes].hold(hold, 4) for n in range(10)))
    found = await ledgers[0].balance(account_id)
    assert (found.balance, found.held, found.available) == (100, 4, 96)


async def test_a_free_model_needs_no_credits(ledger: Ledger) -> None:
    """An account that was never given any can still use what costs nothing, and only that."""
    account_id = new_id("acc")
    await ledger.hold(a_hold(account_id), 0)
    with pytest.raises(TooFewCredits):
        await ledger.hold(a_hold(account_id), 1)


async def test_one_hold_asked_again_does_not_keep_the_others_of_its_group(ledger: Ledger) -> None:
    """First come first: what is held stays, what fits is held, the rest is refused."""
    account_id = await granted(ledger, 10)
    held, *fresh = (a_hold(account_id) for _ in range(6))
    await ledger.hold(held, 2)
    results = await asyncio.gather(
        ledger.hold(held, 2), *(ledger.hold(each, 2) for each in fresh), return_exceptions=True
    )
    assert [result is None for result in results] == [True] * 5 + [False]
    assert (await ledger.balance(account_id)).available == 0


async def test_concurrent_holds_never_overdraw(ledger: Ledger) -> None:
    """Of 30 messages at once on 10 credits exactly 10 are paid for."""
    account_id = await granted(ledger, 10)
    results = await asyncio.gather(
        *(ledger.hold(a_hold(account_id), 1) for _ in range(30)), return_exceptions=True
    )
    refused = [result for result in results if isinstance(result, TooFewCredits)]
    assert len(refused) == 20
    assert (await ledger.balance(account_id)).available == 0


async def test_an_account_without_credits_can_not_hold(ledger: Ledger) -> None:
    """An unknown account has no credits."""
    with pytest.raises(TooFewCredits):
        await ledger.hold(a_hold("acc_unknown"), 1)


async def test_a_grant_counts_once(ledger: Ledger, database: Database) -> None:
    """The same grant, repeated and concurrent, adds its credits once."""
    entry = grant_entry(50)
    await asyncio.gather(*(ledger.grant("acc_1", entry) for _ in range(5)))
    await ledger.grant("acc_1", entry)
    assert (await ledger.balance("acc_1")).balance == 50
    assert await ledger_sum(database, "acc_1") == 50


async def test_a_crash_between_entry_and_balance_is_finished_by_redelivery(
    ledger: Ledger, database: Database
) -> None:
    """The entry was written, the hold not ended: delivering the event again completes it."""
    account_id = await granted(ledger, 10)
    hold = a_hold(account_id)
    await ledger.hold(hold, 4)
    await database["ledger"].insert_one(
        {
            "_id": entry_id(hold.message_id),
            "account_id": account_id,
            "kind": "debit",
            "credits": -4,
            "at": datetime.now(UTC),
            "day": "2026-01-01",
            "agent_id": None,
            "message_id": hold.message_id,
            "model": None,
            "note": "",
            "hold": await stored_hold(database, hold),
        }
    )
    await settle_sent(ledger, sent(hold, 4))
    balance = await ledger.balance(account_id)
    assert (balance.balance, balance.held) == (6, 0)
    assert await ledger_sum(database, account_id) == 6


async def test_a_crash_between_balance_and_entry_of_a_grant_is_finished(
    ledger: Ledger, database: Database
) -> None:
    """The balance was raised, the entry not written: the next sweep writes it."""
    entry = grant_entry(50)
    marker = {"credits": 50, "at": entry.at, "note": ""}
    await database["balances"].insert_one(
        {
            "_id": "acc_1",
            "available": 50,
            "holds": {},
            "granted": [entry.id],
            "grants": {entry.id: marker},
        }
    )
    await ledger.finish_grants()
    await ledger.finish_grants()
    assert (await ledger.balance("acc_1")).balance == 50
    assert await ledger_sum(database, "acc_1") == 50


@pytest.mark.parametrize("seed", range(5))
async def test_random_interleavings_add_up(ledger: Ledger, database: Database, seed: int) -> None:
    """Holds, debits and refunds in any order, repeated and at once: the ledger is the balance."""
    dice = random.Random(seed)  # a repeatable order, not a secret
    account_id = await granted(ledger, 60)
    spent: dict[str, int] = {}

    async def message() -> None:
        hold, credits = a_hold(account_id), dice.randint(1, 9)
        try:
            await ledger.hold(hold, credits)
        except TooFewCredits:
            return
        answered = dice.random() < 0.6
        for _ in range(dice.randint(1, 3)):
            if dice.random() < 0.2:  # accepted again meanwhile
                with suppress(TooFewCredits):
                    await ledger.hold(hold, credits)
            if answered:
                await settle_sent(ledger, sent(hold, credits))
            else:
                await ledger.refund(account_id, hold.message_id)
        if answered:
            spent[hold.message_id] = credits

    await asyncio.gather(*(message() for _ in range(25)))
    balance = await ledger.balance(account_id)
    assert balance.held == 0
    assert balance.balance == 60 - sum(spent.values()) >= 0
    assert await ledger_sum(database, account_id) == balance.balance


async def test_usage_adds_up_by_day(ledger: Ledger, database: Database) -> None:
    """Debits count on their UTC day; grants and other accounts don't."""
    account_id = await granted(ledger, 100)
    other = await granted(ledger, 100)
    for owner in (account_id, account_id, other):
        hold = a_hold(owner)
        await ledger.hold(hold, 3)
        await settle_sent(ledger, sent(hold, 3))
    today = datetime.now(UTC).date()
    days = await Statements(database).usage(account_id, today - timedelta(days=1), today, None)
    assert [(day.day, day.messages, day.credits) for day in days] == [(today, 2, 6)]
    assert await Statements(database).usage(account_id, today, today, "agent_other") == ()
