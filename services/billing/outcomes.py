"""What the outcome of a message does to the credits that were held for it."""

from libs.bus.queues import Delivered
from libs.contracts.billing import LedgerEntry
from libs.contracts.events import MessageFailed, MessageSent
from services.billing.ledger import Ledger, Left, entry_id
from services.billing.warnings import Warnings


class Outcomes:
    """Handles the outcomes on the event log."""

    def __init__(self, ledger: Ledger, warnings: Warnings) -> None:
        self._ledger = ledger
        self._warnings = warnings

    async def message_sent(self, delivered: Delivered[MessageSent]) -> None:
        """Debit what was held. Idempotent by message id."""
        sent = delivered.message
        left = await settle_sent(self._ledger, sent)
        await self._warnings.paid(sent.account_id, sent.agent_id, left)

    async def message_failed(self, delivered: Delivered[MessageFailed]) -> None:
        """Give back what was held. Idempotent by message id."""
        await self._ledger.refund(delivered.message.account_id, delivered.message.message_id)


async def settle_sent(ledger: Ledger, sent: MessageSent) -> Left:
    """Debit one answer; return what is left."""
    entry = LedgerEntry(
        id=entry_id(sent.message_id),
        kind="debit",
        credits=-sent.credits,
        at=sent.at,
        agent_id=sent.agent_id,
        message_id=sent.message_id,
        model=sent.model,
    )
    return await ledger.debit(sent.account_id, sent.message_id, entry)
