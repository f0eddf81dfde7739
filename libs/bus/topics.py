"""Listening to topics: every process that listens gets every message."""

from collections.abc import Callable
from typing import TypeVar

from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from libs.bus.bus import Bus
from libs.contracts.message import decode
from libs.contracts.queues import Topic

M = TypeVar("M")


async def listen(bus: Bus, topic: Topic[M], handler: Callable[[M], None]) -> Subscription:
    """Hand out each message of a topic from now on; what can't be read is logged by the bus."""

    async def came(message: Msg) -> None:
        handler(decode(message.data, topic.kind))

    return await bus.client.subscribe(topic.pattern, cb=came)
