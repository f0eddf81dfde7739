"""Whether an account's ledger adds up to its balance, also while answers are being paid for.

What is in between is left out of both sides: a hold whose debit may be written already, a grant
whose entry may not be. All other entries only change together with the balance, so when that is
the same before and after they were added up, both are of one moment.
"""

import asyncio
from datetime import timedelta
from typing import Any

from libs.contracts.billing import Reconciled
from libs.runtime.clock import now
from libs.runtime.mongo import Collection, Database
from services.billing.holds import open_holds
from services.billing.settings import BillingSettings

TRIES = 20
"""How often an account is read that changes meanwhile."""
PAUSE = 0.1
"""Seconds between two of them."""


class Reconciliation:
    """Reads of the `balances` and `ledger` collections."""

    def __init__(self, database: Database, settings: BillingSettings) -> None:
        self._balances: Collection = database["balances"]
        self._entries: Collection = database["ledger"]
        # A sweep may have begun just before a hold expired, and takes its time.
        self._stale = timedelta(seconds=settings.hold_ttl + 3 * settings.hold_sweep_interval)

    async def of(self, account_id: str) -> Reconciled:
        """Compare balance and ledger. An account that never got credits has neither."""
        result = await self._compare(account_id)
        for _ in range(TRIES):
            if result.settled:
                break
            await asyncio.sleep(PAUSE)
            result = await self._compare(account_id)
        return result

    async def _compare(self, account_id: str) -> Reconciled:
        before = await self._document(account_id)
        holds, grants = before.get("holds", {}), before.get("grants", {})
        entries, ledger = await self._sum(account_id, list(holds.values()), list(grants))
        after = await self._document(account_id)
        opened = list(open_holds(account_id, holds))
        granting = sum(grant["credits"] for grant in grants.values())
        oldest = now() - self._stale
        return Reconciled(
            balance=before.get("available", 0) + sum(hold.credits for hold in opened) - granting,
            ledger=ledger,
            entries=entries,
            holds=len(opened),
            stale_holds=sum(hold.at < oldest for hold in opened),
            settled=before == after,
        )

    async def _document(self, account_id: str) -> dict[str, Any]:
        return await self._balances.find_one({"_id": account_id}) or {}

    async def _sum(self, account_id: str, holds: list[str], grants: list[str]) -> tuple[int, int]:
        """Return how many entries there are and what they add up to.

        Without those that the balance does not know of yet: of these holds, and these grants.
        """
        match = {"account_id": account_id, "hold": {"$nin": holds}, "_id": {"$nin": grants}}
        group = {"_id": None, "entries": {"$sum": 1}, "credits": {"$sum": "$credits"}}
        async for row in self._entries.aggregate([{"$match": match}, {"$group": group}]):
            return row["entries"], row["credits"]
        return 0, 0
