"""The shard that answers, and its replacement by an optimised copy while it goes on answering.

On disk: `NAME.live` names the directory of the live shard; without that file it is `NAME`. All
other directories of the collection are leftovers, and the next start removes them. A replacement:

1. A process of its own copies the live directory to a new one, `NAME.<chunks>-<random>`; writes
   wait for the copy. It optimises the copy and brings it to the disk, file by file (optimise.py).
2. Meanwhile every write goes to the live shard, as always, and is remembered in order.
3. Writes wait. The copy is opened, the remembered writes are applied to it one by one (answers go
   on between them), it is flushed.
4. `NAME.live.new` is written, synced, and renamed to `NAME.live`: this rename is the replacement.
   The new shard takes the place of the old one in memory before anything else can run, the rename
   is synced, and only then writes go on and the old directory is removed.

Ended at any point before the rename, by kill -9 or power, the old shard is there with every write;
after it the new one, with every write. When a step fails the old shard stays, and the next attempt
comes when as many vectors again were added.

An attempt is given up when more is written meanwhile than the copy may miss: memory is bounded, and
writes that waited instead would hold up ingestion for minutes.
"""

import asyncio
import os
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import qdrant_edge as edge
import structlog

from libs.runtime.settings import SettingsError
from services.rag.index import optimise
from services.rag.index.optimise import COPIED

log = structlog.get_logger()


def live_directory(path: Path) -> Path:
    """Return where the live shard of the collection `path` is, or is to be; remove leftovers.

    Raises SettingsError when it should be somewhere and is not.
    """
    pointer = _pointer(path)
    live = path.with_name(pointer.read_text()) if pointer.exists() else path
    if live != path and not live.is_dir():
        raise SettingsError(f"{pointer} says that the index is in {live}, but that is not there.")
    for other in (path, *path.parent.glob(f"{path.name}.*")):
        if other.is_dir() and other != live:
            shutil.rmtree(other)
    return live


def _optimised(path: Path, live: Path) -> int:
    """Return how many chunks there were when a live directory was made."""
    return 0 if live == path else int(live.name.removeprefix(f"{path.name}.").partition("-")[0])


def _pointer(path: Path) -> Path:
    return path.with_name(f"{path.name}.live")


class OptimisationFailed(Exception):
    """The optimised copy was not made; the message says why."""


@dataclass
class Optimisation:
    """A copy that is being optimised, and the writes that it misses."""

    process: Process
    most: int
    """Vectors that may be written meanwhile."""
    _missed: list[edge.UpdateOperation] = field(default_factory=list)
    _vectors: int = 0

    def miss(self, operation: edge.UpdateOperation, vectors: int) -> None:
        """Remember a write; give up when there are too many."""
        self._vectors += max(1, vectors)
        if self._vectors <= self.most:
            self._missed.append(operation)
        else:
            self._missed.clear()
            self.stop()

    async def copied(self) -> None:
        """Wait until the copy is made. Raises AttemptFailed."""
        output = self.process.stdout
        if output is None or await output.readline() != COPIED:
            await self.optimised()
            raise OptimisationFailed("it was not copied")

    async def optimised(self) -> None:
        """Wait until the copy is optimised. Raises AttemptFailed."""
        _, complaint = await self.process.communicate()
        self.missed()
        if self.process.returncode:
            raise OptimisationFailed(
                complaint[-500:].decode(errors="replace") or f"status {self.process.returncode}"
            )

    def missed(self) -> Sequence[edge.UpdateOperation]:
        """Return what was written since it was copied, in order. Raises AttemptFailed."""
        if self._vectors > self.most:
            raise OptimisationFailed(f"more than {self.most} vectors were written meanwhile")
        return self._missed

    def stop(self) -> None:
        """End the process, if it has not ended."""
        if self.process.returncode is None:
            with suppress(ProcessLookupError):
                self.process.kill()


class LiveShard:
    """The open shard of a collection. Reads take `shard`, at once; writes go through `update`."""

    def __init__(self, path: Path, load: Callable[[Path], edge.EdgeShard]) -> None:
        self._path = path
        self._load = load
        self._directory = live_directory(path)
        self.shard = load(self._directory)
        # The engine's own count of indexed vectors takes the words of chunks for such.
        self._added = self.shard.info().points_count - _optimised(path, self._directory)
        self._writing = asyncio.Lock()
        self._attempt: Optimisation | None = None

    async def update(self, operation: edge.UpdateOperation, vectors: int = 0) -> None:
        """Apply an operation that adds so many vectors; it is durable when this returns."""
        async with self._writing:
            self.shard.update(operation)
            self._added += vectors
            if self._attempt:
                self._attempt.miss(operation, vectors)

    async def flush(self) -> None:
        """Write what is pending to its final place."""
        async with self._writing:
            self.shard.flush()

    def close(self) -> None:
        """Close the shard; its directory is complete."""
        close(self.shard)

    async def optimise_after(self, vectors: int) -> None:
        """Optimise when so many vectors were added since the last time."""
        if self._added >= vectors:
            await self.optimise(most_missed=vectors)

    async def optimise(self, most_missed: int) -> bool:
        """Replace the shard by an optimised copy; say whether that worked.

        It is given up when more than `most_missed` vectors are written meanwhile.
        """
        before = self._directory
        chunks = self.shard.info().points_count
        copy = self._path.with_name(f"{self._path.name}.{chunks}-{uuid4().hex}")
        self._added = 0
        try:
            async with self._optimising(copy, most_missed) as attempt:
                await attempt.optimised()
                await self._replace(copy, attempt)
        except Exception as error:  # the engine raises nothing more exact
            log.error("index.optimising_failed", error=str(error))
            return False
        finally:
            if self._directory != copy:
                await asyncio.to_thread(shutil.rmtree, copy, ignore_errors=True)
        await asyncio.to_thread(shutil.rmtree, before, ignore_errors=True)
        log.info("index.optimised", chunks=self.shard.info().points_count)
        return True

    @asynccontextmanager
    async def _optimising(self, copy: Path, most_missed: int) -> AsyncIterator[Optimisation]:
        """Start the process; from the moment it has its copy, remember writes until the end."""
        command = [sys.executable, "-m", optimise.__name__, str(os.getpid())]
        async with self._writing:
            self.shard.flush()
            process = await asyncio.create_subprocess_exec(
                *command, str(self._directory), str(copy), stdout=PIPE, stderr=PIPE
            )
            attempt = Optimisation(process, most_missed)
            try:
                await attempt.copied()
            except BaseException:
                await _end(attempt)
                raise
            self._attempt = attempt
        try:
            yield attempt
        finally:
            self._attempt = None
            await _end(attempt)

    async def _replace(self, copy: Path, attempt: Optimisation) -> None:
        async with self._writing:
            fresh = self._load(copy)
            try:
                for operation in attempt.missed():
                    fresh.update(operation)
                    await asyncio.sleep(0)  # answers go on
                fresh.flush()
                _point_to(self._path, copy)
            except BaseException:
                fresh.close()
                raise
            # Nothing may come between the rename and this: writes belong to the new one now.
            replaced, self.shard, self._directory = self.shard, fresh, copy
            replaced.close()
            optimise.sync(copy.parent)


async def _end(attempt: Optimisation) -> None:
    attempt.stop()
    await attempt.process.wait()


def _point_to(path: Path, live: Path) -> None:
    pointer = _pointer(path)
    new = pointer.with_name(f"{pointer.name}.new")
    new.write_text(live.name)
    optimise.sync(new)
    new.replace(pointer)


def close(shard: edge.EdgeShard) -> None:
    """Bring a shard to its final place and close it."""
    shard.flush()
    shard.close()
