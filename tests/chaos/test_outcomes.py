"""NATS dies in the moment when messages get their outcomes; a short run of tests/chaos/outcomes.py.

Real bus, edges, stores and consumers in this process, without the models and HTTP around them.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from alonchat.stack import embedded
from libs.bus.bus import Bus, open_bus
from libs.bus.queues import Delivered, consume
from libs.contracts import subjects
from libs.contracts.chat import SourcesFrame, TextFrame
from libs.contracts.events import MessageFailed, MessageSent, Outcome, outcome_id
from libs.contracts.queues import CHAT_REPLIES, MESSAGE_FAILED, MESSAGE_SENT
from libs.runtime.clock import now
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database
from services.api.chat.replies import Inbox, Replies
from services.api.chat.transcript import FailedEvent, FinishedEvent, Transcript
from services.api.conversations.record import Recorder
from services.api.store.conversations import Conversations
from services.llm.reply.outcome import log_outcome
from tests.contracts.samples import ABOUT
from tests.stack import Killable
from tests.waiting import eventually

KILLS = 12
AT_ONCE = 8
"""Messages for each kill."""
LATE = (0.0, 0.0, 0.002, 0.01, 0.04)
"""Seconds between an outcome and the kill."""
SEED = 13
PATIENCE = 60.0
"""Seconds in which every answer must have its end, after the last kill."""


class System:
    """Two edges, two other services that follow the log, and a worker that writes it."""

    def __init__(self, database: Database) -> None:
        self.rng = random.Random(SEED)
        self.conversations = Conversations(database)
        self.edges: list[Replies] = []
        self.seen: dict[str, Counter[str]] = {"billing": Counter(), "webhooks": Counter()}
        self.came = asyncio.Event()
        self.worker: Bus

    async def start(self, url: str, running: AsyncExitStack) -> None:
        """Connect everybody."""
        for _ in range(2):
            bus = await running.enter_async_context(open_bus(url, "api"))
            self._follow_log(bus, "api", Recorder(bus, self.conversations).ended)
            edge = Replies(bus, self.conversations, silence=0.5, timeout=PATIENCE + 60)
            await edge.start()
            await bus.start()
            self.edges.append(edge)
        for service in self.seen:
            bus = await running.enter_async_context(open_bus(url, service))
            self._follow_log(bus, service, self._noting(service))
            await bus.start()
        self.worker = await running.enter_async_context(open_bus(url, "llm"))

    def _follow_log(self, bus: Bus, service: str, handler: Any) -> None:
        for queue in (MESSAGE_SENT, MESSAGE_FAILED):
            consume(bus, queue, handler, by=service, slots=9)

    def _noting(self, service: str) -> Any:
        async def note(delivered: Delivered[Outcome]) -> None:
            self.seen[service][delivered.message.message_id] += 1
            self.came.set()

        return note

    async def answer(self, message_id: str) -> tuple[Outcome, Transcript]:
        """Answer one message as llm does, and follow it as its edge does."""
        edge = self.rng.choice(self.edges)
        outcome = self._outcome(message_id, edge.edge)
        inbox, answer = edge.expect(message_id, outcome.account_id), Transcript()
        following = asyncio.create_task(_followed(edge, message_id, inbox, answer))
        subject = CHAT_REPLIES.at(edge.edge, message_id)
        await self.worker.tell(subject, SourcesFrame(attempt=1, seq=0, sources=(), confidence=0.9))
        await self.worker.tell(subject, TextFrame(attempt=1, seq=1, text="We"))
        await log_outcome(self.worker, outcome, now())
        await following
        return outcome, answer

    def _outcome(self, message_id: str, edge: str) -> Outcome:
        common: dict[str, Any] = ABOUT | {
            "event_id": outcome_id(message_id),
            "message_id": message_id,
            "conversation_id": new_id("conv"),
            "edge": edge,
        }
        if self.rng.random() < 0.2:
            return MessageFailed(code="upstream_error", message="No.", **common)
        return MessageSent(
            message="We are open.",
            model="extractive",
            credits=1,
            confidence=0.9,
            sources=(),
            finish_reason="stop",
            **common,
        )


async def _followed(edge: Replies, message_id: str, inbox: Inbox, answer: Transcript) -> None:
    following = edge.follow(message_id, inbox, answer)
    while not following.over:
        await following.next()


@pytest.fixture
async def mortal(tmp_path: Path) -> AsyncIterator[Killable]:
    """A NATS server to kill."""
    nats = Killable(embedded.nats(tmp_path / "nats"))
    nats.start()
    yield nats
    nats.kill()


async def test_outcomes_survive_kills(mortal: Killable, database: Database) -> None:
    """Each is on the log once, stored, seen by every service; each client is told."""
    system = System(database)
    async with AsyncExitStack() as running:
        await system.start(mortal.server.url, running)
        answering: list[asyncio.Task[tuple[Outcome, Transcript]]] = []
        for _ in range(KILLS):
            system.came.clear()
            answering += [asyncio.create_task(system.answer(new_id("msg"))) for _ in range(AT_ONCE)]
            async with asyncio.timeout(PATIENCE):
                await system.came.wait()
            await asyncio.sleep(system.rng.choice(LATE))
            mortal.kill()
            await asyncio.to_thread(mortal.start)
        async with asyncio.timeout(PATIENCE):
            ended = await asyncio.gather(*answering)
        await _check(system, ended)


async def _check(system: System, ended: list[tuple[Outcome, Transcript]]) -> None:
    for outcome, answer in ended:
        wanted = FinishedEvent if isinstance(outcome, MessageSent) else FailedEvent
        assert isinstance(answer.end, wanted), outcome.message_id
        stored = await system.conversations.outcome(outcome.message_id)
        assert type(stored) is type(outcome), outcome.message_id
        for seen in system.seen.values():
            await _handled(seen, outcome.message_id)
    assert await system.worker.kept(subjects.EVENTS) == len(ended)


async def _handled(seen: Counter[str], message_id: str) -> None:
    async def there() -> bool:
        return seen[message_id] > 0

    await eventually(there, timeout=PATIENCE)
