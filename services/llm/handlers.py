"""What llm reacts to.

chat.grounded    answer it: frames to the client's edge, the outcome to the event log
chat.cancelled   stop answering, keep what there is
"""

from libs.bus.bus import Bus
from libs.bus.queues import consume
from libs.bus.topics import listen
from libs.contracts.queues import CHAT_CANCELLED, CHAT_GROUNDED
from services.llm.worker import Worker

SERVICE = "llm"


async def register(bus: Bus, answering: Worker, concurrency: int) -> None:
    """Subscribe to everything, to be started with the bus."""
    consume(
        bus,
        CHAT_GROUNDED,
        answering.handle,
        by=SERVICE,
        slots=concurrency,
        give_up=answering.give_up,
        pointless=answering.is_over,
    )
    await listen(bus, CHAT_CANCELLED, answering.cancellations.receive)
