"""Cancel an answer: tell the workers, and see to it that the message has its outcome.

The worker that has the answer stops it and logs what there is. When none does so in time (the
question still waits in line, or its worker died), api logs it with the text that was sent so far.
The event log takes the first outcome; what a slower worker makes of it later counts for nothing.
"""

import asyncio

import structlog

from libs.bus.bus import Bus
from libs.bus.outcomes import settle
from libs.contracts.chat import CANCELLED, ChatCancelled
from libs.contracts.events import MessageSent, outcome_id
from libs.contracts.queues import CHAT_CANCELLED
from libs.runtime.clock import now
from services.api.chat.replies import Replies
from services.api.chat.transcript import Transcript
from services.api.store.conversations import Conversations, StoredMessage

log = structlog.get_logger()

WORKER_PATIENCE = 1.0
"""Seconds that a worker gets to end an answer that was cancelled."""


class Cancelling:
    """Cancels answers. `stopping` is set while this process shuts down."""

    def __init__(
        self, bus: Bus, replies: Replies, conversations: Conversations, stopping: asyncio.Event
    ) -> None:
        self._bus = bus
        self._replies = replies
        self._conversations = conversations
        self._stopping = stopping

    async def cancel(
        self, question: StoredMessage, message_id: str, account_id: str
    ) -> StoredMessage:
        """Cancel the answer to a question; return it as it is stored, however it had ended."""
        answer = Transcript()
        async with self._replies.overhear(message_id) as inbox:
            await self._tell(message_id)
            try:
                following = self._replies.follow(message_id, inbox, answer)
                async with asyncio.timeout(WORKER_PATIENCE):
                    while not following.over:
                        await following.next()
            except TimeoutError:
                await self._replies.catch_up(message_id, answer)
        if answer.end is None:
            log.info("cancel.no_worker", message_id=message_id)
            ended = await settle(self._bus, _outcome(question, message_id, account_id, answer))
            await self._conversations.record(ended)
        stored = await self._conversations.message(message_id)
        if stored is None:
            raise RuntimeError(f"{message_id} has an outcome that is not stored")
        return stored

    async def client_left(self, message_id: str) -> None:
        """Cancel an answer whose client has gone, not one that this process had to let go."""
        if not self._stopping.is_set():
            await self._tell(message_id)

    async def _tell(self, message_id: str) -> None:
        await self._bus.tell(CHAT_CANCELLED, ChatCancelled(message_id=message_id))


def _outcome(
    question: StoredMessage, message_id: str, account_id: str, answer: Transcript
) -> MessageSent:
    return MessageSent(
        event_id=outcome_id(message_id),
        account_id=account_id,
        agent_id=question.agent_id,
        at=now(),
        message_id=message_id,
        conversation_id=question.conversation_id,
        question=question.content,
        message=answer.text,
        model=question.model,
        credits=question.credits if answer.text else 0,
        confidence=answer.confidence,
        sources=answer.sources or (),
        finish_reason=CANCELLED,
        edge=question.edge,
    )
