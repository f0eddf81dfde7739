"""How answers end, or don't."""

import asyncio

from tests.fakes.raw_model_server import Exchange
from tests.upstreams.case import (
    DONE,
    FREE,
    OK,
    Answered,
    Case,
    Fails,
    at,
    chunk,
    event,
    raw,
    says,
    stays,
    stop,
    streams,
    words,
)

REFUSED = Fails(codes=("upstream_refused",), retryable=False)
LENGTH = (Answered(finish="length"),)


def reason(name: object) -> Case:
    """Text, then an ending that is a failure."""
    return Case(f"text, then finish_reason {name}", streams(*words(), stop(name), DONE), (stays(),))


async def stays_open(exchange: Exchange, last: bytes) -> None:
    """Say all, and keep the connection as it is."""
    await exchange.head()
    await exchange.send(*words(), last)
    await asyncio.sleep(60)


async def _open_after_stop(exchange: Exchange) -> None:
    await stays_open(exchange, stop())


async def _open_after_done(exchange: Exchange) -> None:
    await stays_open(exchange, stop() + DONE)


async def _open_with_pings(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(*words(), stop())
    for _ in range(200):
        await exchange.send(b": ping\n\n")
        await asyncio.sleep(0.2)


async def _closed_in_the_middle(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(*words())
    await exchange.raw(b"100\r\ndata: ")
    exchange.close()


async def _reset_in_the_middle(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(*words())
    await asyncio.sleep(0.5)  # what is not read when the reset comes is lost
    exchange.reset()


async def _reset_after_stop(exchange: Exchange) -> None:
    await exchange.head()
    await exchange.send(*words(), stop())
    await asyncio.sleep(0.3)
    exchange.reset()


async def _reset_after_headers(exchange: Exchange) -> None:
    await exchange.head()
    exchange.reset()


async def _reset_before_headers(exchange: Exchange) -> None:
    exchange.reset()


async def _closed_before_headers(exchange: Exchange) -> None:
    exchange.close()


TOOL = chunk(delta={"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": "{}"}}]})

CASES = [
    Case(
        "the last words come with the finish_reason",
        streams(*words()[:-1], chunk(" at 9AM.", finish_reason="stop"), DONE),
    ),
    Case("never a finish_reason, but [DONE]", streams(*words(), DONE)),
    Case("ends cleanly with neither a finish_reason nor [DONE]", streams(*words()), (stays(),)),
    Case(
        "finish_reason is an empty string in every chunk, then [DONE]",
        streams(*(chunk(w, finish_reason="") for w in ("Hello there", ", we open at 9AM.")), DONE),
    ),
    Case(
        "finish_reason is the word null in every chunk, then [DONE]",
        streams(
            *(chunk(w, finish_reason="null") for w in ("Hello there", ", we open at 9AM.")), DONE
        ),
    ),
    Case(
        "finish_reason is the word null, and the stream is cut",
        streams(chunk("Hello there", finish_reason="null")),
        (stays("Hello there"),),
    ),
    Case("stop, then the end without [DONE]", streams(*words(), stop())),
    Case("stop in a last line without a line end", streams(*words(), stop().strip())),
    Case(
        "text in a last line without a line end",
        streams(*words()[:-1], event(chunk(" at 9AM.", finish_reason="stop")).strip()),
    ),
    Case("[DONE] in quotation marks", streams(*words(), b'data: "[DONE]"\n\n')),
    Case("[done] in small letters", streams(*words(), b"data: [done]\n\n")),
    Case("a blank after [DONE]", streams(*words(), b"data: [DONE] \n\n")),
    Case("an event named done with nothing in it", streams(*words(), b"event: done\ndata:\n\n")),
    Case("finish_reason length", streams(*words(), stop("length"), DONE), LENGTH),
    Case(
        "finish_reason max_tokens in capitals", streams(*words(), stop("MAX_TOKENS"), DONE), LENGTH
    ),
    Case("finish_reason model_length", streams(*words(), stop("model_length"), DONE), LENGTH),
    Case("finish_reason eos_token", streams(*words(), stop("eos_token"), DONE)),
    Case("text, then finish_reason SAFETY", streams(*words(), stop("SAFETY"), DONE), (REFUSED,)),
    Case(
        "text, then finish_reason content_filter",
        streams(*words(), stop("content_filter"), DONE),
        (REFUSED,),
    ),
    Case(
        "the answer is in delta.refusal",
        says(chunk(delta={"refusal": "I can't help with that."})),
        (Answered(("I can't help with that.",)), REFUSED),
    ),
    reason("abort"),
    reason("network_error"),
    reason("error"),
    reason("insufficient_system_resource"),
    reason("FINISH_REASON_ERROR"),
    reason("cancelled"),
    Case("finish_reason is the number 1", streams(*words(), stop(1), DONE), (OK, FREE)),
    Case(
        "calls a tool that was not offered, no text",
        streams(TOOL, stop("tool_calls"), DONE),
        (FREE,),
    ),
    Case(
        "stop without text; the vendor's own field says network_error",
        streams(event(chunk(finish_reason="stop", native_finish_reason="network_error")), DONE),
        (FREE,),
    ),
    Case("stop without any text", streams(stop(), DONE), (FREE,)),
    Case("only line ends and a blank", says(*words("\n", "\n ", "\n")), (FREE,)),
    Case(
        "only line ends and a blank; a fallback is named",
        says(*words("\n", "\n ", "\n")),
        (Answered(model="an ordinary stream"),),
        agent={"fallback_models": ["an ordinary stream"]},
    ),
    Case("stop, then nothing, the connection stays open", raw(_open_after_stop), seconds=4),
    Case("stop, then pings, the connection stays open", raw(_open_with_pings), seconds=4),
    Case("[DONE], and the connection stays open", raw(_open_after_done), seconds=4),
    Case("stop, then reset", raw(_reset_after_stop)),
    Case("closed in the middle of a chunked body", raw(_closed_in_the_middle), (stays(),)),
    Case("reset in the middle", raw(_reset_in_the_middle), (stays(),)),
    Case("reset after the headers", raw(_reset_after_headers), (Fails(retryable=True),)),
    Case(
        "reset before the headers, every time", raw(_reset_before_headers), (Fails(retryable=True),)
    ),
    Case(
        "closed before the headers, every time",
        raw(_closed_before_headers),
        (Fails(retryable=True),),
    ),
    Case("reset before the headers, the first time", at(1, _reset_before_headers)),
    Case(
        "ends in the middle of a chunk's JSON",
        streams(*words(), b'data: {"choices":[{"index":0,"delta":{"content":" and'),
        (stays(),),
    ),
    Case(
        "stop, then an error",
        streams(*words(), stop(), {"error": {"message": "late", "code": 500}}),
    ),
    Case("stop, then the rest of a chunk's JSON", streams(*words(), stop(), b'data: {"choi')),
]
