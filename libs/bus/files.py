"""Documents that are too large for a message: in a JetStream object store, by the source's id."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime, timedelta
from typing import IO

from nats.errors import Error as NatsError
from nats.js.api import ObjectInfo
from nats.js.errors import BadObjectMetaError, DigestMismatchError, NotFoundError
from nats.js.object_store import ObjectStore

from libs.bus.bus import Bus
from libs.bus.errors import ServiceUnavailable
from libs.runtime.clock import now

BUCKET = "source_files"
STREAM = f"OBJ_{BUCKET}"
PIECES = f"$O.{BUCKET}.C"
NOTES = f"$O.{BUCKET}.M"
"""The stream behind the bucket, and where the library puts pieces of files and notes on them."""
TRANSFER_TIMEOUT = 120.0
"""Seconds for one file; NATS is as near as every other service."""


class Files:
    """What was uploaded, until its source is deleted. Raises ServiceUnavailable, and Refused."""

    def __init__(self, bus: Bus, store: ObjectStore) -> None:
        self._bus = bus
        self._jetstream = bus.jetstream
        self._store = store

    async def put(self, name: str, content: IO[bytes]) -> str:
        """Store a file; it is there, synced as every stream is, when this returns its digest."""
        async with self._transfer():
            stored = await self._store.put(name, content)  # type: ignore[arg-type]  # it only reads
            return stored.digest or ""

    async def get(self, name: str, into: IO[bytes]) -> bool:
        """Write a file's bytes; False when there is none, or only a part of it."""
        async with self._transfer():
            try:
                if not await self._is_whole(name):
                    return False
                await self._store.get(name, into)  # type: ignore[arg-type]  # it only writes
            except (NotFoundError, BadObjectMetaError, DigestMismatchError):
                return False
            return True

    async def _is_whole(self, name: str) -> bool:
        """Whether all pieces of a file are there: reading would wait for those that are not."""
        info = await self._store.get_info(name)
        pieces = await self._subjects(f"{PIECES}.{info.nuid}")
        return pieces.get(f"{PIECES}.{info.nuid}", 0) == (info.chunks or 0)

    async def delete(self, name: str) -> None:
        """Remove a file, if it is there."""
        async with self._transfer():
            with suppress(NotFoundError):
                await self._store.delete(name)
            # The library leaves a note that it was there, for ever.
            encoded = base64.urlsafe_b64encode(name.encode()).decode()
            await self._jetstream.purge_stream(STREAM, subject=f"{NOTES}.{encoded}")

    async def older_than(self, age: timedelta) -> list[str]:
        """Return the names of files that were stored longer ago than this."""
        before = now() - age
        return [info.name for info in await self._infos() if _stored_at(info) < before]

    async def drop_pieces(self, age: timedelta) -> None:
        """Remove what uploads left that began longer ago than this and never came to their end."""
        before = now() - age
        async with self._transfer():
            pieces = await self._subjects(f"{PIECES}.>")
        ours = {f"{PIECES}.{info.nuid}" for info in await self._infos()}
        for subject in pieces.keys() - ours:
            with suppress(NotFoundError):
                await self._drop_pieces(subject, before)

    async def _drop_pieces(self, subject: str, before: datetime) -> None:
        async with self._transfer():
            newest = await self._jetstream.get_last_msg(STREAM, subject)
            if newest.time is not None and newest.time < before:
                await self._jetstream.purge_stream(STREAM, subject=subject)

    async def _infos(self) -> list[ObjectInfo]:
        async with self._transfer():
            try:
                return await self._store.list(ignore_deletes=True)
            except NotFoundError:
                return []

    async def _subjects(self, subjects: str) -> dict[str, int]:
        info = await self._jetstream.stream_info(STREAM, subjects_filter=subjects)
        return info.state.subjects or {}

    @asynccontextmanager
    async def _transfer(self) -> AsyncIterator[None]:
        try:
            async with asyncio.timeout(TRANSFER_TIMEOUT):
                yield
        except NotFoundError:
            raise
        except TimeoutError as error:
            raise ServiceUnavailable("nats") from error
        except NatsError as error:
            raise self._bus.failed(error) from error


def _stored_at(info: ObjectInfo) -> datetime:
    return datetime.fromisoformat(info.mtime) if info.mtime else now()


async def open_files(bus: Bus, replicas: int) -> Files:
    """Create the store, unless it is there, and return it; safe from several processes."""

    async def create() -> ObjectStore:
        return await bus.jetstream.create_object_store(BUCKET, replicas=replicas)

    bus.restore.add(create)
    return Files(bus, await create())
