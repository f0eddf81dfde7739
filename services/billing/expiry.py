"""Ends holds whose answer never came, through the event log, where the first outcome wins.

So an answer that was late but did arrive is debited, never both debited and given back; and every
service learns of the failure as of any other.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog

from libs.bus.bus import Bus
from libs.bus.errors import BusError
from libs.bus.outcomes import settle
from libs.contracts.events import MessageFailed, MessageSent, outcome_id
from libs.runtime.clock import now
from libs.runtime.mongo import MongoUnavailable
from services.billing.handlers import settle_sent
from services.billing.holds import OpenHold
from services.billing.ledger import Ledger
from services.billing.settings import BillingSettings

log = structlog.get_logger()

AT_ONCE = 100
"""Expired holds that are worked on together: their refunds are written in one go."""
LOOK_BACK = timedelta(hours=1)
"""A sweep looks at accounts that held credits within HOLD_TTL and this; the first one at all."""


async def sweep_forever(bus: Bus, ledger: Ledger, settings: BillingSettings) -> None:
    """Fail expired holds every HOLD_SWEEP_INTERVAL, from the start of the process."""
    ttl = timedelta(seconds=settings.hold_ttl)
    active_since = datetime.min.replace(tzinfo=UTC)
    while True:
        moment = now()
        try:
            await ledger.finish_grants()
            await sweep(bus, ledger, moment - ttl, active_since)
            active_since = moment - ttl - LOOK_BACK
        except (BusError, MongoUnavailable) as error:
            log.warning("holds.sweep_failed", error=str(error))
        await asyncio.sleep(settings.hold_sweep_interval)


async def sweep(bus: Bus, ledger: Ledger, before: datetime, active_since: datetime) -> None:
    """Fail the holds older than `before`, many at once: an outage leaves thousands."""
    expired = [hold async for hold in ledger.holds_before(before, active_since)]
    for first in range(0, len(expired), AT_ONCE):
        await asyncio.gather(*(end(bus, ledger, hold) for hold in expired[first : first + AT_ONCE]))


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
