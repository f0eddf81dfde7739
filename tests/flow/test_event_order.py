"""What is said of a message before it is on its way: a kill in between loses no event."""

import nats
from nats.aio.msg import Msg

from libs.contracts.chat import ChatGrounded, ChatRequested
from libs.contracts.events import ConversationStarted, MessageReceived
from libs.contracts.message import decode
from libs.contracts.queues import (
    CHAT_GROUNDED,
    CHAT_REQUESTED,
    CONVERSATION_STARTED,
    MESSAGE_RECEIVED,
)
from tests.flow.client import Client
from tests.stack import Stack


async def test_its_events_go_before_the_message(client: Client, shop: str, stack: Stack) -> None:
    """On the bus: that it was received, and that its conversation began, then the message."""
    seen: list[str] = []

    async def came(message: Msg) -> None:
        match decode(
            message.data, ChatRequested | ChatGrounded | MessageReceived | ConversationStarted
        ):
            case MessageReceived(message_id=one):
                seen.append(f"received {one}")
            case ConversationStarted(conversation_id=one):
                seen.append(f"started {one}")
            case (
                ChatRequested(message_id=one) | ChatGrounded(request=ChatRequested(message_id=one))
            ):
                seen.append(f"asked {one}")

    bus = await nats.connect(stack.nats_url)
    for queue in (CHAT_REQUESTED, CHAT_GROUNDED, MESSAGE_RECEIVED, CONVERSATION_STARTED):
        await bus.subscribe(queue.pattern, cb=came)
    await bus.flush()
    answers = [await client.chat(shop, f"When are you open on day {day}?") for day in range(5)]
    await bus.drain()
    for answer in answers:
        asked = seen.index(f"asked {answer['message_id']}")
        assert seen.index(f"received {answer['message_id']}") < asked
        assert seen.index(f"started {answer['conversation_id']}") < asked
