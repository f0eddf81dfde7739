"""What the bus will never take is refused by name, before it is sent; an outage is what passes."""

import asyncio
from typing import Any

import pytest
from nats.errors import Error as NatsError
from nats.js.api import DiscardPolicy, StreamConfig

from libs.bus.bus import DEAD_ROOM, Bus
from libs.bus.calls import serve_call
from libs.bus.errors import FaultError, Refused, ServiceUnavailable, TooLarge, translated
from libs.contracts.billing import GET_BALANCE, LIST_LEDGER, GetBalance, ListLedger
from libs.contracts.message import encode
from libs.contracts.queues import SOURCES_SUBMITTED, Topic
from libs.contracts.sources import SourceSubmitted
from tests.waiting import eventually

UNHEARD = Topic("unheard", "nobody.listens", SourceSubmitted, (), ())


def job(size: int) -> SourceSubmitted:
    """A message whose encoding has so many bytes."""
    around = len(encode(SourceSubmitted(agent_id="", source_id="")))
    return SourceSubmitted(agent_id="a" * (size - around), source_id="")


async def test_every_size_around_the_limit(bus: Bus) -> None:
    """It goes or it is refused, and nobody loses the connection over its headers."""
    most = bus.client.max_payload
    taken, refused = [], []
    for spare in (*range(70), DEAD_ROOM - 1, DEAD_ROOM, DEAD_ROOM + 100):
        try:
            await bus.publish(SOURCES_SUBMITTED.subject, job(most - spare), f"job_{spare}")
        except TooLarge:
            refused.append(spare)
        else:
            taken.append(spare)
        try:
            await bus.tell(UNHEARD, job(most - spare))
        except TooLarge:
            raise AssertionError(spare) from None
        with pytest.raises(TooLarge):
            await bus.tell(UNHEARD, job(most + 1 + spare))
    assert taken == [DEAD_ROOM + 100]
    assert refused
    await bus.client.flush()
    assert bus.client.stats["reconnects"] == 0


async def test_a_request_that_is_too_large_is_not_an_outage(bus: Bus) -> None:
    """It is refused at once, not tried for as long as a service may be away."""
    await bus.start()
    async with asyncio.timeout(2):
        with pytest.raises(TooLarge):
            await bus.call(GET_BALANCE, GetBalance(account_id="a" * bus.client.max_payload))


@pytest.mark.parametrize("said", ["a" * 2_000_000, "\ud800"], ids=["too large", "no text"])
async def test_a_reply_that_can_not_be_sent_is_a_fault(bus: Bus, said: str) -> None:
    """The caller hears of it at once; silence would be a time-out, asked again and again."""

    async def handler(_: ListLedger) -> Any:
        return GetBalance(account_id=said)

    serve_call(bus, LIST_LEDGER, handler)
    await bus.start()
    async with asyncio.timeout(2):
        with pytest.raises(FaultError) as raised:
            await bus.call(LIST_LEDGER, ListLedger(account_id="acc_1"))
    assert raised.value.fault.code == "internal"


async def test_a_reply_that_nobody_understands_is_a_fault(bus: Bus) -> None:
    """As from a service of another release; callers know what to do with a fault."""
    await bus.start()

    async def odd(message: Any) -> None:
        await message.respond(b'{"type":"of.tomorrow.v9"}')

    await bus.client.subscribe(GET_BALANCE.subject, cb=odd)
    with pytest.raises(FaultError):
        await bus.call(GET_BALANCE, GetBalance(account_id="acc_1"))


async def test_a_callback_that_raises_is_called_again(bus: Bus) -> None:
    """What one message is to a subscription is no reason to hear no other."""
    heard: list[bytes] = []

    async def callback(message: Any) -> None:
        heard.append(message.data)
        raise ValueError(message.data)

    await bus.client.subscribe("odd", cb=callback)
    await bus.client.publish("odd", b"1")
    await bus.client.publish("odd", b"2")

    async def both() -> bool:
        return heard == [b"1", b"2"]

    await eventually(both)


async def test_what_a_stream_will_never_take(bus: Bus) -> None:
    """By the answers of a real server: bounds and rules are permanent, absence is not."""
    js = bus.jetstream
    await js.add_stream(
        StreamConfig(
            name="SMALL",
            subjects=["small"],
            max_msg_size=100,
            max_bytes=400,
            discard=DiscardPolicy.NEW,
        )
    )

    async def raised(data: bytes, subject: str = "small", **headers: str) -> Exception:
        try:
            for _ in range(10):
                await js.publish(subject, data, headers=headers or None, timeout=1)
        except NatsError as error:
            return translated(error)
        raise AssertionError("all of it was taken")

    wrong = {"Nats-Expected-Last-Sequence": "77"}
    assert isinstance(await raised(b"a" * 101), Refused)
    assert isinstance(await raised(b"a", **wrong), Refused)
    assert isinstance(await raised(b"a" * 90), Refused)
    assert isinstance(await raised(b"a" * (bus.client.max_payload + 1)), Refused)
    assert isinstance(await raised(b"a", subject="with space"), Refused)
    assert isinstance(await raised(b"a", subject="nobody.keeps.this"), ServiceUnavailable)
    assert isinstance(translated(TimeoutError()), ServiceUnavailable)


async def test_replies_of_every_size_reach_the_caller(bus: Bus) -> None:
    """What fits comes, also where headers would have made it too large."""
    sizes = iter([bus.client.max_payload - 1, bus.client.max_payload])
    around = len(encode(GetBalance(account_id="")))

    async def handler(_: GetBalance) -> Any:
        return GetBalance(account_id="a" * (next(sizes) - around))

    serve_call(bus, GET_BALANCE, handler)
    await bus.start()
    for _ in range(2):
        reply = await bus.client.request(GET_BALANCE.subject, encode(GetBalance(account_id="x")))
        assert len(reply.data) >= bus.client.max_payload - 1
