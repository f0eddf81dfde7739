"""Holds and entries of a ledger."""

from datetime import UTC, datetime

from libs.contracts.billing import Hold, LedgerEntry
from libs.contracts.events import MessageSent
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.billing.ledger import Ledger, entry_id
from services.billing.statements import Statements


async def granted(ledger: Ledger, credits: int) -> str:
    """An account with credits."""
    account_id = new_id("acc")
    await ledger.grant(account_id, grant_entry(credits))
    return account_id


def grant_entry(credits: int) -> LedgerEntry:
    """A new grant."""
    return LedgerEntry(
        id=entry_id(new_id("grant")), kind="grant", credits=credits, at=datetime.now(UTC)
    )


def a_hold(account_id: str) -> Hold:
    """A hold for a new message."""
    return Hold(
        account_id=account_id,
        agent_id="agent_1",
        conversation_id="conv_1",
        message_id=new_id("msg"),
        model="m",
    )


def sent(hold: Hold, credits: int) -> MessageSent:
    """The answer that a hold was for."""
    return MessageSent(
        event_id=f"evt_{hold.message_id}",
        account_id=hold.account_id,
        agent_id=hold.agent_id,
        at=datetime.now(UTC),
        message_id=hold.message_id,
        conversation_id=hold.conversation_id,
        message="Hi",
        model=hold.model,
        credits=credits,
        confidence=1.0,
        sources=(),
        finish_reason="stop",
    )


async def stored_hold(database: Database, hold: Hold) -> str:
    """Return a hold as it is kept."""
    document = await database["balances"].find_one({"_id": hold.account_id}) or {}
    return str(document["holds"][hold.message_id])


async def ledger_sum(database: Database, account_id: str) -> int:
    """What all entries add up to, read page by page."""
    total, cursor = 0, None
    while True:
        page = await Statements(database).page(account_id, None, cursor, 7)
        total += sum(entry.credits for entry in page.items)
        cursor = page.next_cursor
        if cursor is None:
            return total
