"""`alonchat reconcile`: prove that every account's ledger adds up to its balance."""

import asyncio

import msgspec

from alonchat.connection import connected
from libs.bus.bus import Bus
from libs.contracts.accounts import LIST_ACCOUNTS, ListAccounts
from libs.contracts.billing import RECONCILE, Reconcile, Reconciled
from libs.runtime.settings import Settings

PATIENCE = 120.0
"""Seconds that adding up one account's ledger may take."""


class Checked(msgspec.Struct, kw_only=True):
    """An account, and whether all is well with it."""

    account_id: str
    found: Reconciled

    @property
    def ok(self) -> bool:
        """Whether it is proved that the ledger is the balance, and no hold is overdue."""
        found = self.found
        return found.settled and found.balance == found.ledger and not found.stale_holds

    @property
    def sentence(self) -> str:
        """What there is to say about it."""
        found = self.found
        if not found.settled:
            return f"{self.account_id} changed all the while: ask again when it is quieter."
        if found.balance != found.ledger:
            return (
                f"{self.account_id} has a balance of {found.balance} credits, "
                f"its {found.entries} ledger entries add up to {found.ledger}."
            )
        if found.stale_holds:
            return f"{self.account_id} has {found.stale_holds} holds past HOLD_TTL."
        return f"{self.account_id}: {found.entries} entries add up to {found.balance} credits."


def reconcile(account_id: str | None) -> list[Checked]:
    """Check one account, or all."""
    return asyncio.run(_check(account_id))


async def _check(account_id: str | None) -> list[Checked]:
    async with connected(Settings.load()) as bus:
        wanted = [account_id] if account_id else await _all(bus)
        return [
            Checked(
                account_id=one,
                found=await bus.call(RECONCILE, Reconcile(account_id=one), timeout=PATIENCE),
            )
            for one in wanted
        ]


async def _all(bus: Bus) -> list[str]:
    ids: list[str] = []
    cursor: str | None = None
    while True:
        page = await bus.call(LIST_ACCOUNTS, ListAccounts(cursor=cursor))
        ids += [account.id for account in page.items]
        cursor = page.next_cursor
        if cursor is None:
            return ids
