"""A durable consumer as FastStream's broker knows it.

The broker starts and stops it, and each delivery passes through the broker's middlewares. How
messages come is pull.py's; why not by FastStream's own pull: docs/decisions/durable-pull.md.
This is the one module that knows how FastStream makes its subscribers.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast

from faststream import AckPolicy
from faststream._internal.broker.registrator import Registrator
from faststream._internal.endpoint.subscriber.call_item import CallsCollection
from faststream.nats import JStream, NatsBroker, NatsMessage
from faststream.nats.configs import NatsBrokerConfig
from faststream.nats.subscriber.config import (
    NatsSubscriberConfig,
    NatsSubscriberSpecificationConfig,
)
from faststream.nats.subscriber.specification import NatsSubscriberSpecification
from faststream.nats.subscriber.usecases.stream_basic import StreamSubscriber
from nats.aio.msg import Msg

from libs.bus.pull import Pull

T = TypeVar("T")


class PullSubscriber(StreamSubscriber):
    """Hands out what a Pull brings; process_message() is the way of one delivery."""

    pull: Pull

    async def _create_subscription(self) -> None:
        await self.pull.start()

    async def stop(self) -> None:
        """Take nothing more; what has come is still handled, and the bus waits for it."""
        await self.pull.stop()

    def get_log_context(self, _message: Any) -> dict[str, str]:
        """Nothing: its log is off, and this would be made up for each delivery."""
        return {}


def subscribe(
    broker: NatsBroker,
    pull: Pull,
    decode: Callable[[Msg], T],
    handler: Callable[[T], Awaitable[None]],
) -> PullSubscriber:
    """Register a durable consumer whose deliveries `handler` gets as `decode` makes them.

    The handler acknowledges.
    """
    consumer, outer = pull.consumer, cast("NatsBrokerConfig", broker.config)
    subject = consumer.filter_subject or ""
    calls: CallsCollection[Msg] = CallsCollection()
    specification = NatsSubscriberSpecification(
        _outer_config=outer,
        calls=calls,
        specification_config=NatsSubscriberSpecificationConfig(
            subject=subject, queue=None, title_=consumer.durable_name, description_=None
        ),
    )
    config = NatsSubscriberConfig(
        subject=subject,
        sub_config=consumer,
        no_reply=True,
        _outer_config=outer,
        _ack_policy=AckPolicy.MANUAL,
    )
    subscriber = PullSubscriber(
        config, specification, calls, stream=JStream(pull.stream, declare=False), queue=""
    )
    subscriber.pull = pull

    async def parsed(message: Msg) -> NatsMessage:
        # Named by where it is acknowledged: FastStream would make up an id for each.
        name = message.reply
        headers = message.headers or {}
        return NatsMessage(
            raw_message=message,
            body=message.data,
            headers=headers,
            message_id=name,
            correlation_id=name,
        )

    async def decoded(message: NatsMessage) -> Any:
        return decode(message.raw_message)

    async def handle(message: Any) -> None:  # of no type that FastStream would document
        await handler(message)

    subscriber.add_call(parser_=parsed, decoder_=decoded, dependencies_=())(handle)
    Registrator.subscriber(broker, subscriber)
    return subscriber
