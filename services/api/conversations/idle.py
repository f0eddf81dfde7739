"""Ends conversations in which nothing was said for a while.

Every edge looks for them. The event's id says which conversation ended after which message, so the
event log takes it once, whoever finds it and however often.
"""

from datetime import datetime, timedelta

from libs.bus.bus import Bus
from libs.contracts.events import ConversationEnded
from libs.runtime.clock import now
from services.api.store.conversations import Conversation, Conversations

AT_ONCE = 200
"""Conversations that are read in one step."""


class IdleConversations:
    """Looks for conversations without a message for `timeout` seconds; with 0, for none."""

    def __init__(self, bus: Bus, conversations: Conversations, *, timeout: float) -> None:
        self._bus = bus
        self._conversations = conversations
        self._timeout = timedelta(seconds=timeout)

    async def sweep_all(self) -> None:
        """End all idle conversations."""
        while self._timeout and await self.sweep() == AT_ONCE:
            pass

    async def sweep(self) -> int:
        """End some of the idle conversations; return how many were looked at."""
        before = now() - self._timeout
        found = await self._conversations.idle(before, AT_ONCE)
        for conversation, idle_since in found:
            last = await self._conversations.last_message_at(conversation.id) or idle_since
            if last >= before or last > idle_since:
                await self._conversations.active(conversation.id, last)
            else:
                await self._end(conversation, idle_since)
        return len(found)

    async def _end(self, conversation: Conversation, idle_since: datetime) -> None:
        moment = int(idle_since.timestamp() * 1000)
        await self._bus.emit(
            ConversationEnded(
                event_id=f"evt_ended_{conversation.id}_{moment}",
                account_id=conversation.account_id,
                agent_id=conversation.agent_id,
                at=now(),
                conversation_id=conversation.id,
                last_message_at=idle_since,
            )
        )
        await self._conversations.ended(conversation.id, idle_since)
