"""A case of a model server that does something odd, and what is expected then."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakes.raw_model_server import Behaviour, Exchange

TEXT = "Hello there, we open at 9AM."
WORDS = ("Hello", " there", ", we", " open", " at 9AM.")
DONE = b"data: [DONE]\n\n"
SECRET = "secret pondering about the prompt"
"""What stands in every thought."""


@dataclass(frozen=True)
class Answered:
    """An answer with one of these texts. `model`: the one that answered, None: the agent's own."""

    texts: tuple[str, ...] = (TEXT,)
    finish: str = "stop"
    starts: bool = False  # the answer only begins with the text
    model: str | None = None


@dataclass(frozen=True)
class Fails:
    """An error that cost nothing. None: it does not matter.

    `stored` is the text that stays, `names` words one of which tells the cause to the client.
    """

    codes: tuple[str, ...] | None = None
    retryable: bool | None = None
    stored: str | None = None
    names: tuple[str, ...] = ()
    least_wait: int = 0


@dataclass(frozen=True)
class Case:
    """What happens and what is expected: any of `expected`.

    `most_requests` for one question, `seconds` for an answer; `hidden` is what nobody may see.
    """

    name: str
    happens: Behaviour
    expected: tuple[Answered | Fails, ...] = (Answered(),)
    most_requests: int | None = None
    seconds: float | None = None
    hidden: str = ""
    agent: dict[str, Any] = field(default_factory=dict)
    own_requests_next: int | None = None  # of the second question, what was refused is remembered


OK = Answered()
FREE = Fails()


def stays(text: str = TEXT, **fields: Any) -> Fails:
    """An error whose text is kept."""
    return replace(Fails(stored=text), **fields)


def chunk(text: str | None = None, **fields: Any) -> dict[str, Any]:
    """One chunk of a stream, as usual; `fields` replace or add to those of the choice."""
    choice = {"index": 0, "delta": {} if text is None else {"content": text}, "finish_reason": None}
    return {"id": "c", "object": "chat.completion.chunk", "choices": [choice | fields]}


def event(data: Any) -> bytes:
    """One event of a stream."""
    encoded = data if isinstance(data, str) else json.dumps(data)
    return f"data: {encoded}\n\n".encode()


def words(*texts: str) -> list[bytes]:
    """The events of some texts, or of the usual one."""
    return [event(chunk(text)) for text in texts or WORDS]


def stop(reason: object = "stop") -> bytes:
    """The event that ends an answer."""
    return event(chunk(finish_reason=reason))


def completion(text: str = TEXT, **message: Any) -> dict[str, Any]:
    """A whole answer that is no stream."""
    said = {"role": "assistant", "content": text} | message
    return {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": said, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 5},
    }


def streams(*parts: bytes | dict[str, Any] | str, **head: Any) -> Behaviour:
    """Send these events and end the response."""

    async def serve(exchange: Exchange) -> None:
        await exchange.head(**head)
        await exchange.send(*(part if isinstance(part, bytes) else event(part) for part in parts))
        await exchange.end()

    return serve


def says(*parts: bytes | dict[str, Any] | str) -> Behaviour:
    """Send these events, then a stop and the end mark."""
    return streams(*parts, stop(), DONE)


def answers(status: int, body: bytes | dict[str, Any], kind: str = "", **headers: str) -> Behaviour:
    """Answer with a whole response."""
    kind = kind or ("text/html" if isinstance(body, bytes) else "application/json")

    async def serve(exchange: Exchange) -> None:
        await exchange.whole(status, body, kind, **headers)

    return serve


def refuses(
    status: int, body: bytes | dict[str, Any], when: Callable[[dict[str, Any]], bool]
) -> Behaviour:
    """Refuse requests of a kind, and answer all others."""

    async def serve(exchange: Exchange) -> None:
        if when(exchange.body):
            await exchange.whole(status, body)
        else:
            await says(*words())(exchange)

    return serve


def at(number: int, first: Behaviour, then: Behaviour | None = None) -> Behaviour:
    """Behave in one way for the first requests, so many, and then in another."""

    async def serve(exchange: Exchange) -> None:
        await (first if exchange.number <= number else then or says(*words()))(exchange)

    return serve


def raw(act: Callable[[Exchange], Awaitable[None]]) -> Behaviour:
    """Name a behaviour that is written out."""
    return act
