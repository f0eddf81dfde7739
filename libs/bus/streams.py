"""What must exist on NATS: the streams that libs/contracts names, the consumers, the bucket.

A server that runs alone forgets its memory streams when it dies, and everything when it comes back
with another disk. Nobody restarts our processes then, so what they created at their start they
create again: after every lost connection, and when something is found missing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

import structlog
from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StorageType, StreamConfig
from nats.js.errors import BadRequestError, NoStreamResponseError, NotFoundError

from libs.contracts.subjects import STREAMS, Stream

log = structlog.get_logger()

PAUSE = 0.5
"""Seconds between two tries, as while the server starts."""


class Restore:
    """What must exist, in the order in which it is created. Creating what is there does nothing."""

    def __init__(self) -> None:
        self._creating: list[Callable[[], Awaitable[object]]] = []
        self._wanted = asyncio.Event()

    def add(self, create: Callable[[], Awaitable[object]]) -> None:
        """Have this created again, too; the first time is the caller's."""
        self._creating.append(create)

    def soon(self) -> None:
        """Create everything again: something is missing, or may be."""
        self._wanted.set()

    def missed(self, error: Exception) -> None:
        """Create everything again when this error says that something is missing."""
        if isinstance(error, NoStreamResponseError | NotFoundError):
            self.soon()

    async def create(self) -> None:
        """Wait until it is asked for, then create everything. A step of a background loop."""
        await self._wanted.wait()
        self._wanted.clear()
        try:
            for create in self._creating:
                await create()
        except Exception as error:
            self._wanted.set()
            if not isinstance(error, NatsError | OSError | TimeoutError):
                raise
            log.warning("bus.not_restored", error=repr(error))


async def ensure_streams(jetstream: JetStreamContext, replicas: int) -> None:
    """Create what is missing and bring what exists up to date; safe from several processes."""
    for stream in STREAMS:
        config = _config(stream, replicas)
        try:
            await jetstream.add_stream(config)
        except BadRequestError:  # it exists with another configuration, such as an older release's
            await jetstream.update_stream(config)


async def create_missing(jetstream: JetStreamContext, replicas: int) -> None:
    """Create what is missing; what exists stays as it is, another release may have changed it."""
    for stream in STREAMS:
        with suppress(BadRequestError):
            await jetstream.add_stream(_config(stream, replicas))


def _config(stream: Stream, replicas: int) -> StreamConfig:
    return StreamConfig(
        name=stream.name,
        subjects=list(stream.subjects),
        retention=RetentionPolicy.WORK_QUEUE if stream.retention == "work" else None,
        storage=StorageType.MEMORY if stream.storage == "memory" else StorageType.FILE,
        max_age=stream.max_age,
        duplicate_window=min(stream.dedupe_window, stream.max_age or stream.dedupe_window),
        allow_direct=True,
        # A counter keeps its sum in the newest message of its subject.
        max_msgs_per_subject=1 if stream.counter else -1,
        allow_msg_counter=True if stream.counter else None,
        num_replicas=replicas,
    )
