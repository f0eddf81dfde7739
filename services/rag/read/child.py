"""A process of its own for what is read: whatever is in it hurts nobody else.

Parsers are large, and what they read comes from anywhere. A child takes one task after another,
within its limits; one that takes too long, takes too much memory or crashes fails its task alone,
and answers go on meanwhile. What runs inside is serve(); the two talk in frames over its pipes.
"""

import asyncio
import os
import resource
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Callable
from typing import BinaryIO, Generic, TypeVar

import msgspec
import structlog

log = structlog.get_logger()

NICENESS = 10
"""Answers go first."""
LENGTH = 4
"""Bytes in front of a frame that say how long it is."""
MOST_SAID = 500
"""Characters of why a task could not be done, for the log."""

Task = TypeVar("Task")
Found = TypeVar("Found")


class ChildLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds for one task, bytes of memory."""

    seconds: float
    memory: int


class ChildDied(Exception):
    """A child ended without an answer, as by a crash or for want of memory."""


class Child(Generic[Found]):
    """A process that runs `module`, and another when that has died or done `most` tasks."""

    def __init__(self, module: str, limits: ChildLimits, found: type[Found], *, most: int) -> None:
        self._command = [sys.executable, "-m", module, msgspec.json.encode(limits).decode()]
        self._module = module
        self._seconds = limits.seconds
        self._decoder = msgspec.json.Decoder(found)
        self._most = most
        self._process: Process | None = None
        self._done = 0
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Its process, when there is one."""
        return self._process.pid if self._process else None

    async def ask(self, task: msgspec.Struct, content: bytes = b"") -> Found:
        """Return what it makes of a task. Raises TimeoutError, ChildDied."""
        async with self._turn:
            try:
                async with asyncio.timeout(self._seconds):
                    return await self._ask(await self._started(), task, content)
            except BaseException:  # what it would say now is not the next task's
                await self.stop()
                raise

    async def _ask(self, process: Process, task: msgspec.Struct, content: bytes) -> Found:
        come, go = process.stdout, process.stdin
        if come is None or go is None:
            raise ChildDied
        try:
            go.write(_framed(msgspec.json.encode(task)) + _framed(content))
            await go.drain()
            found = await _frame(come)
            why = "" if found else (await _frame(come)).decode(errors="replace")
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            log.warning("child.died", module=self._module, status=await process.wait())
            raise ChildDied from error
        if why:
            log.warning("child.failed", module=self._module, error=why)
            raise ChildDied
        return self._decoder.decode(found)

    async def _started(self) -> Process:
        if self._process is not None and self._done >= self._most:
            await self.stop()
        if self._process is None:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
            self._done = 0
        self._done += 1
        return self._process

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.returncode is None:
            process.kill()
        await process.communicate()


def serve(task: type[Task], read: Callable[[Task, bytes], object], limits: ChildLimits) -> None:
    """Do one task after another until there is nothing more to do, within the limits."""
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    come, go = sys.stdin.buffer, sys.stdout.buffer
    decoder = msgspec.json.Decoder(task)
    while (asked := _next(come)) is not None:
        content = _next(come) or b""
        _allow(limits.seconds)
        try:
            found = read(decoder.decode(asked), content)
        except Exception as error:  # a parser met what it does not know
            go.write(_framed(b"") + _framed(repr(error)[:MOST_SAID].encode(errors="replace")))
            return
        go.write(_framed(msgspec.json.encode(found)))
        go.flush()


def _framed(data: bytes) -> bytes:
    return len(data).to_bytes(LENGTH) + data


async def _frame(come: asyncio.StreamReader) -> bytes:
    return await come.readexactly(int.from_bytes(await come.readexactly(LENGTH)))


def _next(come: BinaryIO) -> bytes | None:
    length = come.read(LENGTH)
    return come.read(int.from_bytes(length)) if length else None


def _allow(seconds: float) -> None:
    """Let the processor work so long on the next task, even when the process that asked is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))
