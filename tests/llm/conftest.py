"""llm in this process, on a real bus, in front of a fake model server."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from libs.bus.bus import Bus
from libs.contracts.chat import ChatGrounded
from services.llm.handlers import register
from services.llm.model.openai import open_model
from services.llm.settings import LlmSettings
from services.llm.worker import Worker
from tests.fakes.openai_server import FakeOpenAI
from tests.llm.watching import Watch, ask, watching

KEY = "sk-test-upstream-key"


def settings_with(**options: Any) -> LlmSettings:
    """Return settings, without a model server unless one is given."""
    return LlmSettings.model_validate({"llm_base_url": "", "llm_api_key": ""} | options)


class Llm:
    """The service and what is around it."""

    def __init__(self, bus: Bus, upstream: FakeOpenAI, watch: Watch, stack: AsyncExitStack) -> None:
        self.bus = bus
        self.upstream = upstream
        self.watch = watch
        self._stack = stack

    async def start(self, **options: Any) -> None:
        """Start it; `options` are its settings, by default it uses `upstream`."""
        defaults = {"llm_base_url": self.upstream.base_url, "llm_api_key": KEY, "llm_retries": 0}
        settings = settings_with(**defaults | options)
        model = await self._stack.enter_async_context(open_model(settings))
        await register(self.bus, Worker(self.bus, model, settings), settings.llm_concurrency)
        await self.bus.start()

    def answering(self) -> Worker:
        """Return what handles a delivery, to hand it one directly."""
        return Worker(self.bus, None, settings_with())

    async def ask(self, grounded: ChatGrounded) -> None:
        """Put a question on its queue."""
        await ask(self.bus, grounded)


@pytest.fixture
async def upstream() -> AsyncIterator[FakeOpenAI]:
    """A model server that takes one key."""
    async with FakeOpenAI(api_key=KEY) as fake:
        yield fake


@pytest.fixture
async def watch(bus: Bus) -> AsyncIterator[Watch]:
    """What llm sends."""
    async with watching(bus) as watch:
        yield watch


@pytest.fixture
async def llm(bus: Bus, upstream: FakeOpenAI, watch: Watch) -> AsyncIterator[Llm]:
    """The service, to be started by the test."""
    async with AsyncExitStack() as stack:
        yield Llm(bus, upstream, watch, stack)
