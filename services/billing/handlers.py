"""What billing reacts to: calls about credits, and the outcome of every chat message."""

from libs.bus.bus import Bus
from libs.bus.calls import serve_call
from libs.bus.queues import consume
from libs.contracts import billing
from libs.contracts.queues import MESSAGE_FAILED, MESSAGE_SENT
from services.billing.calls import Credits
from services.billing.outcomes import Outcomes

SERVICE = "billing"
OUTCOMES_AT_ONCE = 200
"""Outcome events that one process works on at a time."""


def register(bus: Bus, credits: Credits, outcomes: Outcomes) -> None:
    """Subscribe billing to its calls and events."""
    serve_call(bus, billing.HOLD, credits.hold)
    serve_call(bus, billing.RELEASE, credits.release)
    serve_call(bus, billing.GRANT, credits.grant)
    serve_call(bus, billing.GET_BALANCE, credits.get_balance)
    serve_call(bus, billing.LIST_LEDGER, credits.list_ledger)
    serve_call(bus, billing.GET_USAGE, credits.get_usage)
    serve_call(bus, billing.RECONCILE, credits.reconcile)
    consume(bus, MESSAGE_SENT, outcomes.message_sent, by=SERVICE, slots=OUTCOMES_AT_ONCE)
    consume(bus, MESSAGE_FAILED, outcomes.message_failed, by=SERVICE, slots=OUTCOMES_AT_ONCE)
