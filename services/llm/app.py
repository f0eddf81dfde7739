"""Wires the llm service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from libs.bus.bus import open_bus
from libs.bus.calls import serve_call
from libs.bus.health import answer_probes
from libs.contracts.models import EXAMINE_MODEL
from services.llm.handlers import register
from services.llm.model.examine import Examiner
from services.llm.model.openai import open_model
from services.llm.settings import LlmSettings
from services.llm.worker import Worker


@asynccontextmanager
async def run() -> AsyncIterator[None]:
    """Serve until the block ends."""
    settings = LlmSettings.load()
    # The bus is closed first: answers that are under way get to use the model to their end.
    async with (
        open_model(settings) as model,
        open_bus(settings.nats_url, "llm", settings.nats_replicas) as bus,
    ):
        await register(bus, Worker(bus, model, settings), settings.llm_concurrency)
        serve_call(bus, EXAMINE_MODEL, Examiner(settings).examined)
        answer_probes(bus, "llm", {"llm": model.ping} if model else {})
        await bus.start()
        yield
