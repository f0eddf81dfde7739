"""Giving a chat message its end, whatever NATS remembers of it."""

from libs.bus.bus import Bus
from libs.contracts.events import Outcome
from libs.contracts.queues import EVENT_QUEUES


async def settle(bus: Bus, outcome: Outcome) -> Outcome:
    """Give a message this outcome unless it has one; return the one that it has.

    The log refuses the outcome when it has one, or only remembers that it had: the message was
    purged, or lost with a disk. Then nobody else can end the message for as long as the log's
    window is, so the end gets another id, under which again only the first one is taken. Raises
    ServiceUnavailable.
    """
    # Looked for first: the log refuses a second one within its window only.
    if logged := await bus.outcome(outcome.message_id):
        return logged
    if await bus.emit(outcome):
        return outcome
    if logged := await bus.outcome(outcome.message_id):
        return logged
    subject = EVENT_QUEUES[type(outcome)].at(outcome.message_id)
    await bus.publish(subject, outcome, f"{outcome.event_id}_again")
    return await bus.outcome(outcome.message_id) or outcome
