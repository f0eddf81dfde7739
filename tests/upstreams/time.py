"""Waiting: to a first sign of life, between two, altogether. The settings are in conftest.py."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.fakes.raw_model_server import Exchange
from tests.upstreams.case import (
    DONE,
    WORDS,
    Answered,
    Case,
    Fails,
    chunk,
    event,
    raw,
    stays,
    stop,
    words,
)

TIMEOUT = ("timeout", "upstream_timeout")
SILENT = Fails(codes=TIMEOUT, retryable=True)


async def rest(exchange: Exchange) -> None:
    """Say all and end."""
    await exchange.send(*words(), stop(), DONE)
    await exchange.end()


def after(seconds: float, sign: bytes) -> Callable[[Exchange], Awaitable[None]]:
    """Send a sign each second, then the answer."""

    async def serve(exchange: Exchange) -> None:
        await exchange.head()
        for _ in range(int(seconds)):
            await exchange.send(sign)
            await asyncio.sleep(1)
        await rest(exchange)

    return serve


async def _late_headers(exchange: Exchange) -> None:
    await asyncio.sleep(3)
    await exchange.head()
    await rest(exchange)


async def _slow_words(exchange: Exchange) -> None:
    await exchange.head()
    for word in WORDS:
        await asyncio.sleep(1)
        await exchange.send(event(chunk(word)))
    await exchange.send(stop(), DONE)
    await exchange.end()


async def _pings_in_the_middle(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(*words(*WORDS[:3]))
    for _ in range(7):
        await exchange.send(b"event: ping\ndata: {}\n\n")
        await asyncio.sleep(1)
    await exchange.send(*words(*WORDS[3:]), stop(), DONE)
    await exchange.end()


async def _silence_in_the_middle(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(*words(*WORDS[:3]))
    await asyncio.sleep(60)


async def _role_and_silence(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(event(chunk(delta={"role": "assistant", "content": ""})))
    await asyncio.sleep(60)


async def _no_byte(_: Exchange) -> None:
    await asyncio.sleep(60)


async def _comments_for_ever(exchange: Exchange) -> None:
    await exchange.head()
    for _ in range(100):
        await exchange.send(b": processing\n\n")
        await asyncio.sleep(0.5)


async def _text_for_ever(exchange: Exchange) -> None:
    await exchange.head()
    for number in range(200):
        await exchange.send(event(chunk(f"word{number} ")))
        await asyncio.sleep(0.3)


async def _once_a_connection(exchange: Exchange) -> None:
    if exchange.request.on_connection > 1:
        exchange.reset()
    await exchange.head()
    await rest(exchange)


FALLBACK = {"fallback_models": ["an ordinary stream"]}

CASES = [
    Case("3 s until the headers", raw(_late_headers)),
    Case("a word each second", raw(_slow_words)),
    Case("comments for 9 s, then the answer", raw(after(9, b": processing\n\n"))),
    Case(
        "reasoning_content for 9 s, then the answer",
        raw(after(9, event(chunk(delta={"reasoning_content": "hm"})))),
    ),
    Case(
        "a thought in tags for 9 s, then the answer",
        raw(after(9, event(chunk("<think>hm</think>")))),
    ),
    Case("pings for 7 s in the middle of the answer", raw(_pings_in_the_middle)),
    Case(
        "silence in the middle of the answer",
        raw(_silence_in_the_middle),
        (stays("Hello there, we", codes=TIMEOUT),),
        seconds=10,
    ),
    Case("a chunk with the role, then silence", raw(_role_and_silence), (SILENT,), seconds=10),
    Case("no byte at all", raw(_no_byte), (SILENT,), seconds=10),
    Case(
        "comments and no text, for ever",
        raw(_comments_for_ever),
        (Fails(codes=TIMEOUT),),
        seconds=23,
    ),
    Case(
        "comments and no text, for ever; a fallback is named",
        raw(_comments_for_ever),
        (Answered(model="an ordinary stream"),),
        seconds=23,
        agent=FALLBACK,
    ),
    Case(
        "text for ever",
        raw(_text_for_ever),
        (Answered(("word0 word1 word2 ",), "length", starts=True),),
        seconds=23,
    ),
    Case(
        "resets a connection that is used a second time; a fallback is named",
        raw(_once_a_connection),
        agent=FALLBACK,
    ),
    Case("resets a connection that is used a second time", raw(_once_a_connection)),
]
