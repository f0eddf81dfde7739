"""What billing reacts to: calls about credits, and the outcome of every chat message."""

from libs.bus.answers import answer
from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.bus.work import Delivered, work
from libs.contracts import billing, subjects
from libs.contracts.billing import (
    Balance,
    Grant,
    Held,
    Hold,
    LedgerEntry,
    LedgerPage,
    Reconciled,
    Release,
    Usage,
)
from libs.contracts.calls import Done
from libs.contracts.events import MessageFailed, MessageSent, name_of
from libs.runtime.clock import now
from services.billing.ledger import InsufficientCredits, Ledger, Left, entry_id
from services.billing.prices import price_of
from services.billing.reconcile import Reconciliation
from services.billing.settings import BillingSettings
from services.billing.statements import Statements
from services.billing.warnings import Warnings

OUTCOMES_AT_ONCE = 200
"""Outcome events that one process works on at a time."""


def register(
    bus: Bus,
    ledger: Ledger,
    statements: Statements,
    reconciliation: Reconciliation,
    settings: BillingSettings,
) -> None:
    """Subscribe billing to its calls and events."""
    handlers = Handlers(
        bus, ledger, statements, Warnings(bus, ledger, settings.credits_low), settings
    )
    answer(bus, billing.HOLD, handlers.hold)
    answer(bus, billing.RELEASE, handlers.release)
    answer(bus, billing.GRANT, handlers.grant)
    answer(bus, billing.GET_BALANCE, handlers.get_balance)
    answer(bus, billing.LIST_LEDGER, handlers.list_ledger)
    answer(bus, billing.GET_USAGE, handlers.get_usage)

    async def reconcile(request: billing.Reconcile) -> Reconciled:
        return await reconciliation.of(request.account_id)

    answer(bus, billing.RECONCILE, reconcile)
    for kind, handler, durable in (
        (MessageSent, handlers.message_sent, "billing_message_sent"),
        (MessageFailed, handlers.message_failed, "billing_message_failed"),
    ):
        work(
            bus,
            subjects.EVENTS,
            subjects.every(name_of(kind)),
            kind,
            handler,
            durable=durable,
            slots=OUTCOMES_AT_ONCE,
        )


class Handlers:
    """Translate messages to ledger operations."""

    def __init__(
        self,
        bus: Bus,
        ledger: Ledger,
        statements: Statements,
        warnings: Warnings,
        settings: BillingSettings,
    ) -> None:
        self._bus = bus
        self._warnings = warnings
        self._ledger = ledger
        self._statements = statements
        self._settings = settings

    async def hold(self, hold: Hold) -> Held:
        """Set aside the price of the model; a fallback costs its own price, but not more."""
        credits = self._price_of(hold.model)
        try:
            await self._ledger.hold(hold, credits)
        except InsufficientCredits as error:
            # Beside the answer: who asked waits for it.
            self._bus.run(self._warnings.refused(hold.account_id, hold.agent_id, error.left))
            raise FaultError("insufficient_credits", str(error)) from error
        fallbacks = (min(credits, self._price_of(model)) for model in hold.fallback_models)
        return Held(credits=credits, fallback_credits=tuple(fallbacks))

    def _price_of(self, model: str) -> int:
        settings = self._settings
        return price_of(model, settings.credit_prices, settings.credit_price_default)

    async def release(self, release: Release) -> Done:
        """Give a hold back whose request never was."""
        await self._ledger.refund(release.account_id, release.message_id)
        return Done()

    async def message_sent(self, delivered: Delivered[MessageSent]) -> None:
        """Debit what was held. Idempotent by message id."""
        sent = delivered.message
        left = await settle_sent(self._ledger, sent)
        await self._warnings.paid(sent.account_id, sent.agent_id, left)

    async def message_failed(self, delivered: Delivered[MessageFailed]) -> None:
        """Give back what was held. Idempotent by message id."""
        await self._ledger.refund(delivered.message.account_id, delivered.message.message_id)

    async def grant(self, grant: Grant) -> Balance:
        """Add credits. Idempotent by grant id."""
        if grant.credits <= 0:
            raise FaultError("invalid", "credits must be at least 1", "credits")
        entry = LedgerEntry(
            id=entry_id(grant.grant_id),
            kind="grant",
            credits=grant.credits,
            at=now(),
            note=grant.note,
        )
        await self._ledger.grant(grant.account_id, entry)
        return await self._ledger.balance(grant.account_id)

    async def get_balance(self, request: billing.GetBalance) -> Balance:
        """Answer with the account's balance."""
        return await self._ledger.balance(request.account_id)

    async def list_ledger(self, request: billing.ListLedger) -> LedgerPage:
        """Answer with a page of the ledger."""
        return await self._statements.page(
            request.account_id, request.agent_id, request.cursor, request.limit
        )

    async def get_usage(self, request: billing.GetUsage) -> Usage:
        """Answer with the usage by day."""
        days = await self._statements.usage(
            request.account_id, request.since, request.until, request.agent_id
        )
        return Usage(days=days)


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
