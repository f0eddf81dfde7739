"""Serving calls: one handler a call, any number of processes sharing them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import msgspec
import structlog
from faststream.nats import NatsMessage

from libs.bus.bus import Bus
from libs.bus.errors import FaultError, Refused, ServiceUnavailable, TooLarge
from libs.contracts.calls import Call, Fault, Reply, Request
from libs.contracts.message import Message, decode, encode
from libs.runtime.outages import MongoUnavailable

log = structlog.get_logger()

CONCURRENT_CALLS = 200
"""How many calls of one subject a process works on at once; the rest wait in line."""


@dataclass(frozen=True)
class _Asked:
    """A request, or why it can't be read, and where the reply goes."""

    request: Any
    reply_to: str


def serve_call(
    bus: Bus, call: Call[Request, Reply], handler: Callable[[Request], Awaitable[Reply]]
) -> None:
    """Answer a call with `handler`. A FaultError becomes the fault that the caller gets raised.

    So does a reply that can't be sent: silence would be asked again, to the same end.
    """

    async def read(message: NatsMessage) -> _Asked:
        reply_to = message.raw_message.reply
        try:
            return _Asked(decode(message.body, call.request), reply_to)
        except msgspec.MsgspecError as error:
            return _Asked(Fault(code="invalid", message=str(error)), reply_to)

    async def answered(asked: _Asked) -> None:
        said = asked.request
        if not isinstance(said, Fault):
            said = await _said(call, handler, said)
        if asked.reply_to:
            await _reply(bus, call, asked.reply_to, said)

    bus.broker.subscriber(
        call.subject, queue=call.service, decoder=read, max_workers=CONCURRENT_CALLS, no_reply=True
    )(answered)


async def _said(
    call: Call[Request, Reply], handler: Callable[[Request], Awaitable[Reply]], request: Any
) -> Message:
    """Return the handler's reply, or the fault that it comes to."""
    try:
        return await handler(request)
    except FaultError as error:
        return error.fault
    except (ServiceUnavailable, MongoUnavailable) as error:
        log.warning("call.outage", subject=call.subject, error=str(error)[:200])
        return Fault(code="unavailable", message=f"{call.service} misses a server")
    except Refused as error:
        log.error("call.refused", subject=call.subject, error=str(error)[:200])
        return _fault(call, str(error))
    except Exception:
        log.exception("call.failed", subject=call.subject)
        return Fault(code="internal", message=f"{call.subject} failed")


async def _reply(bus: Bus, call: Call[Any, Any], reply_to: str, said: Message) -> None:
    try:
        await bus.pass_on(reply_to, encode(said))
    except ServiceUnavailable as error:  # the connection is away: nothing reaches the caller
        log.warning("call.not_answered", subject=call.subject, error=str(error))
    except Exception as error:
        log.error("call.not_answered", subject=call.subject, error=repr(error)[:200])
        await bus.pass_on(reply_to, encode(_fault(call, _why(error))))


def _why(error: Exception) -> str:
    if isinstance(error, TooLarge):
        return f"the answer has {error.size} bytes, {error.most} are allowed"
    return "the answer can't be written"


def _fault(call: Call[Any, Any], why: str) -> Fault:
    return Fault(code="internal", message=f"{call.subject}: {why}"[:500])
