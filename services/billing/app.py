"""Wires the billing service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.bus.bus import open_bus
from libs.bus.health import answer_probes
from libs.runtime.mongo import open_mongo, ping_mongo
from libs.runtime.tasks import background
from services.billing.calls import Credits
from services.billing.expiry import Expiry
from services.billing.handlers import register
from services.billing.ledger import Ledger
from services.billing.outcomes import Outcomes
from services.billing.reconcile import Reconciliation
from services.billing.settings import BillingSettings
from services.billing.statements import Statements
from services.billing.warnings import Warnings


@asynccontextmanager
async def run() -> AsyncIterator[None]:
    """Run billing until the block ends."""
    settings = BillingSettings.load()
    async with (
        open_mongo(settings.mongo_url, settings.mongo_database) as database,
        open_bus(settings.nats_url, "billing", settings.nats_replicas) as bus,
    ):
        ledger = Ledger(database)
        await ledger.create_indexes()
        reconciliation = Reconciliation(database, settings)
        warnings = Warnings(bus, ledger, settings.credits_low)
        statements = Statements(database)
        credits = Credits(bus, ledger, statements, reconciliation, warnings, settings)
        register(bus, credits, Outcomes(ledger, warnings))
        answer_probes(bus, "billing", {"mongo": lambda: ping_mongo(database), "nats": bus.ping})
        await bus.start()
        expiry = Expiry(bus, ledger, ttl=settings.hold_ttl)
        async with background("holds", expiry.sweep, every=settings.hold_sweep_interval):
            yield
