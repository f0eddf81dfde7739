"""Serving calls: one handler a call, any number of processes sharing them."""

from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import structlog
from faststream.nats import NatsMessage

from libs.bus.bus import Bus
from libs.bus.errors import FaultError, ServiceUnavailable
from libs.contracts.calls import Call, Fault, Reply, Request
from libs.contracts.message import decode, encode
from libs.runtime.mongo import MongoUnavailable

log = structlog.get_logger()

CONCURRENT_CALLS = 200
"""How many calls of one subject a process works on at once; the rest wait in line."""


def answer(
    bus: Bus, call: Call[Request, Reply], handler: Callable[[Request], Awaitable[Reply]]
) -> None:
    """Answer a call with `handler`. A FaultError becomes the fault that the caller gets raised."""

    async def read(message: NatsMessage) -> Request | Fault:
        try:
            return decode(message.body, call.request)
        except msgspec.MsgspecError as error:
            return Fault(code="invalid", message=str(error))

    async def answered(request: Any) -> bytes:
        if isinstance(request, Fault):
            return encode(request)
        try:
            return encode(await handler(request))
        except FaultError as error:
            return encode(error.fault)
        except (ServiceUnavailable, MongoUnavailable) as error:
            log.warning("call.outage", subject=call.subject, error=str(error)[:200])
            return encode(Fault(code="unavailable", message=f"{call.service} misses a server"))
        except Exception:
            log.exception("call.failed", subject=call.subject)
            return encode(Fault(code="internal", message=f"{call.subject} failed"))

    bus.broker.subscriber(
        call.subject, queue=call.service, decoder=read, max_workers=CONCURRENT_CALLS
    )(answered)
