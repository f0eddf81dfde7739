"""Ends holds whose answer never came, through the event log, where the first outcome wins.

So an answer that was late but did arrive is debited, never both debited and given back; and every
service learns of the failure as of any other.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from libs.bus.bus import Bus
from libs.bus.outcomes import settle
from libs.contracts.events import MessageFailed, MessageSent, outcome_id
from libs.runtime.clock import now
from services.billing.holds import OpenHold
from services.billing.ledger import Ledger
from services.billing.outcomes import settle_sent

log = structlog.get_logger()

AT_ONCE = 100
"""Expired holds that are worked on together: their refunds are written in one go."""
LOOK_BACK = timedelta(hours=1)
"""A sweep looks at accounts that held credits within HOLD_TTL and this; the first one at all."""


class Expiry:
    """Ends holds that are older than `ttl` seconds."""

    def __init__(self, bus: Bus, ledger: Ledger, *, ttl: float) -> None:
        self._bus = bus
        self._ledger = ledger
        self._ttl = timedelta(seconds=ttl)
        self._active_since = datetime.min.replace(tzinfo=UTC)

    async def sweep(self) -> None:
        """Fail the messages of expired holds, and finish the grants that a crash interrupted.

        One that can't be ended keeps none of the others: it is raised after them.
        """
        moment = now()
        await self._ledger.finish_grants()
        before = moment - self._ttl
        expired = [hold async for hold in self._ledger.holds_before(before, self._active_since)]
        problems: list[Exception] = []
        # Many at once: an outage leaves thousands.
        for first in range(0, len(expired), AT_ONCE):
            some = expired[first : first + AT_ONCE]
            ending = (end(self._bus, self._ledger, hold) for hold in some)
            ended = await asyncio.gather(*ending, return_exceptions=True)
            problems += [result for result in ended if isinstance(result, Exception)]
        if problems:
            raise problems[0]
        self._active_since = before - LOOK_BACK


async def end(bus: Bus, ledger: Ledger, hold: OpenHold) -> None:
    """Give the message of a hold an outcome; when it has one, apply that."""
    failed = MessageFailed(
        event_id=outcome_id(hold.message_id),
        account_id=hold.account_id,
        agent_id=hold.agent_id,
        at=now(),
        message_id=hold.message_id,
        conversation_id=hold.conversation_id,
        code="timeout",
        message="No answer could be produced in time.",
    )
    # An outcome that was there before the hold: an edge gave up on a slow call. Or one that billing
    # never got. Or the new one: billing hears of it, too, and handles it once.
    match await settle(bus, failed):
        case MessageSent() as sent:
            await settle_sent(ledger, sent)
        case MessageFailed():
            log.warning("holds.expired", message_id=hold.message_id)
            await ledger.refund(hold.account_id, hold.message_id)
