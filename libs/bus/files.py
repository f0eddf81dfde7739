"""Documents that are too large for a message: in a JetStream object store, by the source's id."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import IO

from nats.errors import Error as NatsError
from nats.js.errors import APIError, NotFoundError
from nats.js.errors import Error as JetStreamError
from nats.js.object_store import ObjectStore

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.bus.restore import Restore

BUCKET = "source_files"
TRANSFER_TIMEOUT = 120.0
"""Seconds for one file; NATS is as near as every other service."""


class Files:
    """What was uploaded, until its source is deleted. Raises ServiceUnavailable."""

    def __init__(self, store: ObjectStore, restore: Restore) -> None:
        self._store = store
        self._restore = restore

    async def put(self, name: str, content: IO[bytes]) -> str:
        """Store a file; it is there, synced as every stream is, when this returns its digest."""
        async with self._transfer():
            stored = await self._store.put(name, content)  # type: ignore[arg-type]  # it only reads
            return stored.digest or ""

    async def get(self, name: str, into: IO[bytes]) -> bool:
        """Write a file's bytes; False when there is none."""
        async with self._transfer():
            try:
                await self._store.get(name, into)  # type: ignore[arg-type]  # it only writes
            except NotFoundError:
                return False
            return True

    async def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        async with self._transfer():
            try:
                await self._store.delete(name)
            except NotFoundError:
                return

    @asynccontextmanager
    async def _transfer(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TRANSFER_TIMEOUT):
                yield
        except (NatsError, APIError, JetStreamError, TimeoutError) as error:
            self._restore.missed(error)
            raise ServiceUnavailable("nats") from error


async def open_files(bus: Bus, replicas: int) -> Files:
    """Create the store, unless it is there, and return it; safe from several processes."""

    async def create() -> ObjectStore:
        return await bus.jetstream.create_object_store(BUCKET, replicas=replicas)

    bus.restore.add(create)
    return Files(await create(), bus.restore)
