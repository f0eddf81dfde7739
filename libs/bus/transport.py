"""What nats-py (2.16) needs on uvloop: the end of a connection is an OSError and nothing else.

asyncio's own transport takes what is written after its end. uvloop's raises RuntimeError, which
nats-py does not expect: its flusher stops, its attempt to reconnect can end for good, and whoever
publishes in that moment gets an error that looks like a fault of his own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from nats.aio import client as library
from nats.aio.client import Client
from nats.aio.transport import TcpTransport

log = structlog.get_logger()


class Transport(TcpTransport):
    """Raises ConnectionResetError when the connection has ended."""

    def write(self, payload: Any) -> Any:
        """Write, or raise ConnectionResetError."""
        with _reset():
            return super().write(payload)  # type: ignore[no-untyped-call]

    def writelines(self, payload: Any) -> Any:
        """Write, or raise ConnectionResetError."""
        with _reset():
            return super().writelines(payload)  # type: ignore[no-untyped-call]

    async def drain(self) -> None:
        """Wait for room, or raise ConnectionResetError."""
        with _reset():
            await super().drain()  # type: ignore[no-untyped-call]


@contextmanager
def _reset() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ConnectionResetError(str(error)) from error


def use() -> None:
    """Have connections that are opened from now on use it."""
    library.TcpTransport = Transport  # type: ignore[attr-defined]  # it can't be chosen otherwise


def keep_unsent(client: Client) -> None:
    """Have what can't be written to a connection that has just ended wait for the next one.

    As everything does that is published a moment later, when the client has noticed the end.
    """
    flush = client._flush_pending  # every write goes through it

    async def flush_pending(force_flush: bool = False) -> Any:
        try:
            return await flush(force_flush)
        except OSError as error:
            log.info("bus.unsent", error=repr(error))

    client._flush_pending = flush_pending  # type: ignore[method-assign]
