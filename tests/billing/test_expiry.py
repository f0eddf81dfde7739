"""Holds whose answer never came."""

from datetime import UTC, datetime, timedelta

from libs.bus.bus import Bus
from libs.contracts import subjects
from libs.contracts.billing import Hold
from libs.contracts.events import MessageFailed, MessageSent, outcome_id
from libs.runtime.mongo import Database
from services.billing.expiry import AT_ONCE, Expiry, end
from services.billing.holds import OpenHold
from services.billing.ledger import Ledger
from tests.support.ledger import a_hold, granted, sent


async def only_hold(ledger: Ledger) -> OpenHold:
    """The one hold there is."""
    later = datetime.now(UTC) + timedelta(seconds=1)
    holds = [hold async for hold in ledger.holds_before(later, later - timedelta(hours=1))]
    assert len(holds) == 1
    return holds[0]


async def held(database: Database) -> tuple[Ledger, Hold]:
    """An account with 10 credits, 4 of them on hold."""
    ledger = Ledger(database)
    account_id = await granted(ledger, 10)
    hold = a_hold(account_id)
    await ledger.hold(hold, 4)
    return ledger, hold


async def test_an_expired_hold_fails_its_message_on_the_log(bus: Bus, database: Database) -> None:
    """Everybody learns of it the way they learn of any failure."""
    ledger, hold = await held(database)
    await end(bus, ledger, await only_hold(ledger))
    outcome = await bus.outcome(hold.message_id)
    assert isinstance(outcome, MessageFailed)
    assert (outcome.code, outcome.conversation_id) == ("timeout", "conv_1")


async def test_a_late_answer_wins_when_it_was_first(bus: Bus, database: Database) -> None:
    """An answer that is on the log is debited, not given back."""
    ledger, hold = await held(database)
    answer = sent(hold, 4)
    await bus.emit(
        MessageSent(
            **{
                field: getattr(answer, field)
                for field in answer.__struct_fields__
                if field != "event_id"
            },
            event_id=outcome_id(hold.message_id),
        )
    )
    await end(bus, ledger, await only_hold(ledger))
    balance = await ledger.balance(hold.account_id)
    assert (balance.balance, balance.held) == (6, 0)


async def test_a_hold_that_came_after_its_failure_is_given_back(
    bus: Bus, database: Database
) -> None:
    """An edge gave up on a slow hold and failed the message; the hold was written all the same."""
    ledger, hold = await held(database)
    expired = await only_hold(ledger)
    await end(bus, ledger, expired)
    await end(bus, ledger, expired)
    assert (await ledger.balance(hold.account_id)).available == 10


async def test_what_an_outage_left_is_swept_together(bus: Bus, database: Database) -> None:
    """More holds than are worked on at once, all of one account."""
    ledger = Ledger(database)
    account_id = await granted(ledger, 1_000)
    for _ in range(AT_ONCE + 20):
        await ledger.hold(a_hold(account_id), 4)
    await Expiry(bus, ledger, ttl=-1).sweep()
    balance = await ledger.balance(account_id)
    assert (balance.balance, balance.held) == (1_000, 0)
    assert await bus.kept(subjects.EVENTS) == AT_ONCE + 20


async def test_young_holds_are_left_alone(database: Database) -> None:
    """Only what is older than the limit is looked at."""
    ledger, _ = await held(database)
    moment = datetime.now(UTC) - timedelta(seconds=60)
    assert [h async for h in ledger.holds_before(moment, moment)] == []


async def test_an_outcome_that_the_log_has_lost_holds_no_credits(
    bus: Bus, database: Database
) -> None:
    """The log refuses the failure as a second outcome, and has no first one."""
    ledger, hold = await held(database)
    first = MessageFailed(
        event_id=outcome_id(hold.message_id),
        account_id=hold.account_id,
        agent_id=hold.agent_id,
        at=datetime.now(UTC),
        message_id=hold.message_id,
        conversation_id="conv_1",
        code="internal_error",
        message="",
    )
    await bus.emit(first)
    await bus.jetstream.purge_stream(subjects.EVENTS.name)
    await end(bus, ledger, await only_hold(ledger))
    assert isinstance(await bus.outcome(hold.message_id), MessageFailed)
    balance = await ledger.balance(hold.account_id)
    assert (balance.balance, balance.held) == (10, 0)
