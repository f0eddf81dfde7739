"""Ends messages whose outcome never reached this service.

Each message is looked at once, UNANSWERED_AFTER seconds after it was accepted: by then it has been
answered, or billing has failed it. Without a stored answer its outcome is taken from the event log,
and where the log has none either (purged, or lost with a disk), the message fails there.
"""

from datetime import timedelta

import structlog

from libs.bus.bus import Bus
from libs.bus.outcomes import settle
from libs.bus.queues import OUTAGES
from libs.contracts.events import MessageFailed, outcome_id
from libs.runtime.clock import now
from services.api.store.conversations import Conversations
from services.api.store.questions import Questions

log = structlog.get_logger()


class Unanswered:
    """Looks for messages without an answer after `patience` seconds."""

    def __init__(
        self,
        bus: Bus,
        conversations: Conversations,
        questions: Questions,
        *,
        patience: float,
    ) -> None:
        self._bus = bus
        self._conversations = conversations
        self._questions = questions
        self._patience = timedelta(seconds=patience)

    async def sweep_all(self) -> None:
        """Look at all messages that are due."""
        while await self.sweep():
            pass

    async def sweep(self) -> bool:
        """Look at some of the messages that are due; whether there were any."""
        found = await self._questions.due(now() - self._patience)
        for message_id in found.unanswered:
            try:
                await self._end(message_id)
            except OUTAGES:
                raise
            except Exception:  # it must not keep the others from their end
                log.exception("unanswered.not_ended", message_id=message_id)
        await self._questions.done(found)
        return bool(found.last)

    async def _end(self, message_id: str) -> None:
        question = await self._questions.get(message_id)
        if question is None:  # deleted meanwhile
            return
        conversation = await self._conversations.get(question.conversation_id)
        if conversation is None:
            return
        failed = MessageFailed(
            event_id=outcome_id(message_id),
            account_id=conversation.account_id,
            agent_id=question.agent_id,
            at=now(),
            message_id=message_id,
            conversation_id=question.conversation_id,
            code="timeout",
            message="No answer could be produced in time.",
            edge=question.edge,
        )
        outcome = await settle(self._bus, failed)
        await self._conversations.record(outcome)
        log.warning("unanswered.ended", message_id=message_id, outcome=type(outcome).__name__)
