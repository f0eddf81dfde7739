"""The calls about credits, translated to operations of the ledger."""

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts import billing
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
from libs.runtime.clock import now
from services.billing.ledger import Ledger, TooFewCredits, entry_id
from services.billing.prices import price_of
from services.billing.reconcile import Reconciliation
from services.billing.settings import BillingSettings
from services.billing.statements import Statements
from services.billing.warnings import Warnings


class Credits:
    """Answers the calls about credits."""

    def __init__(
        self,
        bus: Bus,
        ledger: Ledger,
        statements: Statements,
        reconciliation: Reconciliation,
        warnings: Warnings,
        settings: BillingSettings,
    ) -> None:
        self._bus = bus
        self._warnings = warnings
        self._ledger = ledger
        self._statements = statements
        self._reconciliation = reconciliation
        self._settings = settings

    async def hold(self, hold: Hold) -> Held:
        """Set aside the price of the model; a fallback costs its own price, but not more."""
        credits = self._price_of(hold.model)
        try:
            await self._ledger.hold(hold, credits)
        except TooFewCredits as error:
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

    async def reconcile(self, request: billing.Reconcile) -> Reconciled:
        """Answer with what of the account does not add up."""
        return await self._reconciliation.of(request.account_id)
