"""Tells an account's owner, by an event, that the credits are low or used up.

Each once until credits are added. The account's document remembers what was told; the event's id
says after which grant it was, so the event log takes it once, also from several processes and after
a crash.
"""

from libs.bus.bus import Bus
from libs.contracts.events import CreditsExhausted, CreditsLow
from libs.runtime.clock import now
from services.billing.ledger import Ledger, Left

LOW = "low"
EXHAUSTED = "exhausted"


class Warnings:
    """Publishes credits.low, below `threshold` available credits, and credits.exhausted."""

    def __init__(self, bus: Bus, ledger: Ledger, threshold: int) -> None:
        self._bus = bus
        self._ledger = ledger
        self._threshold = threshold

    async def paid(self, account_id: str, agent_id: str, left: Left) -> None:
        """Look at what an answer left; `agent_id` is whose answer it was."""
        if left.available < self._threshold and LOW not in left.told:
            await self._low(account_id, agent_id, left)
        if left.available <= 0 and EXHAUSTED not in left.told:
            await self._exhausted(account_id, agent_id, left)

    async def refused(self, account_id: str, agent_id: str, left: Left) -> None:
        """Note that a message could not be paid."""
        if EXHAUSTED not in left.told:
            await self._exhausted(account_id, agent_id, left)

    async def _low(self, account_id: str, agent_id: str, left: Left) -> None:
        event = CreditsLow(
            event_id=await self._event_id(account_id, LOW),
            account_id=account_id,
            agent_id=agent_id,
            at=now(),
            available=left.available,
            threshold=self._threshold,
        )
        await self._bus.emit(event)
        await self._ledger.tell(account_id, LOW)

    async def _exhausted(self, account_id: str, agent_id: str, left: Left) -> None:
        event = CreditsExhausted(
            event_id=await self._event_id(account_id, EXHAUSTED),
            account_id=account_id,
            agent_id=agent_id,
            at=now(),
            available=left.available,
        )
        await self._bus.emit(event)
        await self._ledger.tell(account_id, EXHAUSTED)

    async def _event_id(self, account_id: str, level: str) -> str:
        return f"evt_credits_{level}_{account_id}_{await self._ledger.grants(account_id)}"
