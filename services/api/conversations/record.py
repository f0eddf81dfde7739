"""Stores how a message ended, then tells the edge that waits for it.

Driven by the event log, so it happens whether or not the edge that took the message still lives,
and an end is announced only when it is stored.
"""

from libs.bus.bus import Bus
from libs.bus.queues import Delivered
from libs.contracts.events import Outcome
from libs.contracts.queues import CHAT_REPLIES
from services.api.store.conversations import Conversations


class Recorder:
    """Handles the outcomes on the event log."""

    def __init__(self, bus: Bus, conversations: Conversations) -> None:
        self._bus = bus
        self._conversations = conversations

    async def ended(self, delivered: Delivered[Outcome]) -> None:
        """Store an outcome and announce it. Again: it stays as it is, the edge ignores the rest."""
        outcome = delivered.message
        await self._conversations.record(outcome)
        if outcome.edge:
            await self._bus.tell(CHAT_REPLIES.at(outcome.edge, outcome.message_id), outcome)
        await self._conversations.take_back(outcome.agent_id)
