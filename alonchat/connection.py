"""A command's connection to a running system, found by the same settings as the services."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from nats.errors import Error as NatsError
from nats.js.errors import Error as JetStreamError

from alonchat.errors import OperatorError
from libs.bus.bus import Bus, open_bus
from libs.bus.errors import BusError
from libs.runtime.settings import Settings

CONNECT_TIMEOUT = 5.0
"""Seconds until NATS counts as not reachable; the client itself would try for ever."""


@asynccontextmanager
async def connected(settings: Settings) -> AsyncIterator[Bus]:
    """Hand out the bus. Raises OperatorError when NATS does not answer."""
    async with AsyncExitStack() as stack:
        opening = open_bus(settings.nats_url, "alonchat", settings.nats_replicas)
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                bus = await stack.enter_async_context(opening)
        except JetStreamError as error:
            raise OperatorError(
                "NATS answers, but JetStream is off or unwell: start nats-server with `-js`."
            ) from error
        except (TimeoutError, OSError, NatsError, BusError) as error:
            raise OperatorError(
                f"NATS does not answer at {_shown(settings.nats_url)}: start the stack, "
                "or correct NATS_URL."
            ) from error
        yield bus


def _shown(url: str) -> str:
    """Leave out what may be a password."""
    return ",".join(one.rpartition("@")[2].removeprefix("nats://") for one in url.split(","))
