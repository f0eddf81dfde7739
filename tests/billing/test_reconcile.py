"""Whether ledger and balance agree, at rest, in between, and while answers are paid for."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from libs.contracts.billing import LedgerEntry
from libs.runtime.mongo import Database
from services.billing.holds import kept
from services.billing.ledger import Ledger, entry_id
from services.billing.outcomes import settle_sent
from services.billing.reconcile import Reconciliation
from services.billing.settings import BillingSettings
from tests.support.ledger import a_hold, granted, sent, stored_hold


@pytest.fixture
async def ledger(database: Database) -> Ledger:
    """An empty ledger."""
    ledger = Ledger(database)
    await ledger.create_indexes()
    return ledger


@pytest.fixture
def reconciliation(database: Database) -> Reconciliation:
    """What compares it with the balances."""
    return Reconciliation(database, BillingSettings.model_validate({}))


async def test_they_agree_after_grants_debits_and_refunds(
    ledger: Ledger, reconciliation: Reconciliation
) -> None:
    """Open holds are part of the balance."""
    account_id = await granted(ledger, 100)
    paid, refunded, still_open = (a_hold(account_id) for _ in range(3))
    for hold in (paid, refunded, still_open):
        await ledger.hold(hold, 5)
    await settle_sent(ledger, sent(paid, 5))
    await ledger.refund(account_id, refunded.message_id)
    found = await reconciliation.of(account_id)
    assert found.settled
    assert (found.balance, found.ledger) == (95, 95)
    assert (found.entries, found.holds, found.stale_holds) == (2, 1, 0)


async def test_an_unknown_account_has_neither(reconciliation: Reconciliation) -> None:
    """Nothing is nothing."""
    found = await reconciliation.of("acc_none")
    assert (found.balance, found.ledger, found.entries, found.settled) == (0, 0, 0, True)


async def test_an_interrupted_debit_is_no_difference(
    ledger: Ledger, reconciliation: Reconciliation, database: Database
) -> None:
    """The entry is written, the hold not yet ended: a redelivery will."""
    account_id = await granted(ledger, 100)
    hold = a_hold(account_id)
    await ledger.hold(hold, 5)
    entry = {"_id": entry_id(hold.message_id), "account_id": account_id, "credits": -5}
    stored = await stored_hold(database, hold)
    await database["ledger"].insert_one(entry | {"hold": stored})
    found = await reconciliation.of(account_id)
    assert found.balance == found.ledger


async def test_a_hold_that_came_late_is_no_difference(
    ledger: Ledger, reconciliation: Reconciliation
) -> None:
    """Its message was paid for by another; it will be given back."""
    account_id = await granted(ledger, 100)
    hold = a_hold(account_id)
    await ledger.hold(hold, 5)
    await settle_sent(ledger, sent(hold, 5))
    await ledger.hold(hold, 5)
    found = await reconciliation.of(account_id)
    assert (found.balance, found.ledger) == (95, 95)


@pytest.mark.parametrize("credits", [-5, 7])
async def test_an_entry_without_its_change_is_found(
    ledger: Ledger, reconciliation: Reconciliation, database: Database, credits: int
) -> None:
    """Somebody wrote to the ledger what the balance does not know of."""
    account_id = await granted(ledger, 100)
    await database["ledger"].insert_one(
        {"_id": "led_stray", "account_id": account_id, "credits": credits}
    )
    found = await reconciliation.of(account_id)
    assert found.ledger - found.balance == credits


async def test_a_hold_that_nobody_ended_is_found(
    ledger: Ledger, reconciliation: Reconciliation, database: Database
) -> None:
    """It is past its time and past the sweeps that should have ended it."""
    account_id = await granted(ledger, 100)
    hold = a_hold(account_id)
    await ledger.hold(hold, 5)
    assert (await reconciliation.of(account_id)).stale_holds == 0
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    await database["balances"].update_one(
        {"_id": account_id},
        {"$set": {f"holds.{hold.message_id}": kept(hold, 5, an_hour_ago)}},
    )
    assert (await reconciliation.of(account_id)).stale_holds == 1


async def test_no_false_alarm_under_traffic(ledger: Ledger, reconciliation: Reconciliation) -> None:
    """While answers are held, paid and given back, what is settled agrees."""
    account_id = await granted(ledger, 10_000)
    done = asyncio.Event()

    async def traffic(number: int) -> None:
        while not done.is_set():
            hold = a_hold(account_id)
            await ledger.hold(hold, 5)
            if number % 2:
                await settle_sent(ledger, sent(hold, 5))
            else:
                await ledger.refund(account_id, hold.message_id)
            await asyncio.sleep(0.01 * number)

    async with asyncio.TaskGroup() as group:
        for number in range(6):
            group.create_task(traffic(number))
        found = [await reconciliation.of(account_id) for _ in range(3)]
        done.set()
    found.append(await reconciliation.of(account_id))
    assert found[-1].settled
    assert all(one.balance == one.ledger for one in found if one.settled)


async def test_an_interrupted_grant_is_no_difference(
    ledger: Ledger, reconciliation: Reconciliation, database: Database
) -> None:
    """The credits are there, the entry is not: finish_grants writes it."""
    account_id = await granted(ledger, 100)
    grant = LedgerEntry(id="led_late", kind="grant", credits=50, at=datetime.now(UTC))
    await database["balances"].update_one(
        {"_id": account_id},
        {
            "$inc": {"available": 50},
            "$push": {"granted": grant.id},
            "$set": {f"grants.{grant.id}": {"credits": 50, "at": grant.at, "note": ""}},
        },
    )
    found = await reconciliation.of(account_id)
    assert found.balance == found.ledger == 100
    await ledger.finish_grants()
    found = await reconciliation.of(account_id)
    assert found.balance == found.ledger == 150


@pytest.mark.parametrize("written", [0, 5])
async def test_the_entry_says_what_was_spent(
    ledger: Ledger, reconciliation: Reconciliation, written: int
) -> None:
    """A crash came between the entry and the end of its hold; what ends it says another price."""
    account_id = await granted(ledger, 100)
    hold = a_hold(account_id)
    await settle_sent(ledger, sent(hold, written))  # the entry; there is no hold yet to end
    await ledger.hold(hold, 5)
    await settle_sent(ledger, sent(hold, 5 - written))
    found = await reconciliation.of(account_id)
    assert (found.balance, found.holds) == (found.ledger, 0)
    assert found.ledger == 100 - written
