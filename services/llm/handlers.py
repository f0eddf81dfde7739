"""What llm reacts to.

chat.grounded    answer it: frames to the client's edge, the outcome to the event log
chat.cancelled   stop answering, keep what there is
"""

from libs.bus.bus import Bus
from libs.bus.work import work
from libs.contracts.chat import ChatGrounded
from libs.contracts.subjects import CHAT, CHAT_CANCELLED, CHAT_GROUNDED
from services.llm.worker import Answering


async def register(bus: Bus, answering: Answering, concurrency: int) -> None:
    """Subscribe to everything, to be started with the bus."""
    work(
        bus,
        CHAT,
        CHAT_GROUNDED,
        ChatGrounded,
        answering.handle,
        durable="llm",
        slots=concurrency,
        give_up=answering.give_up,
        pointless=answering.is_over,
    )
    # Every process gets every cancellation: a plain subscription, without a queue group.
    await bus.client.subscribe(CHAT_CANCELLED, cb=answering.cancellations.receive)
