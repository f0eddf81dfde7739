"""Has the pages of a crawl read in a process of their own, see reading.py and read/process.py."""

import asyncio
import sys
import tempfile
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import structlog

from services.rag.crawl.pages.read import HEADER, ReadPage, Task

log = structlog.get_logger()

UNREADABLE = "It can't be read; it may be damaged."
MOST_PAGES = 500
"""Pages that one process reads, for what its libraries keep in memory of each."""

_decoder = msgspec.json.Decoder(ReadPage)


class PageLimits(msgspec.Struct, frozen=True, kw_only=True):
    """What bounds the reading of one page.

    Seconds, bytes of memory, pages of a PDF, characters of text; links of a page, entries of a
    sitemap; and the name under which pages may address us.
    """

    seconds: float
    memory: int
    pages: int
    characters: int
    links: int
    entries: int
    agent: str


class Reader:
    """One process that reads page after page, and another when that has died or is worn."""

    def __init__(self, folder: Path, limits: PageLimits) -> None:
        self._folder = folder
        self._limits = limits
        self._process: Process | None = None
        self._read = 0
        self._turn = asyncio.Lock()

    @property
    def pid(self) -> int | None:
        """Its process, when there is one."""
        return self._process.pid if self._process else None

    async def read(
        self, content: bytes, *, url: str, suffix: str, charset: str | None = None
    ) -> ReadPage:
        """Return what a page says; one that can't be read says why in `error`."""
        task = Task(url=url, suffix=suffix, size=len(content), charset=charset)
        async with self._turn:
            try:
                async with asyncio.timeout(self._limits.seconds):
                    return await self._ask(await self._started(), task, content)
            except TimeoutError:
                await self.stop()
                return ReadPage(error=f"Reading it takes longer than {self._limits.seconds:g} s.")
            except (asyncio.IncompleteReadError, ConnectionError):
                log.warning("crawl.reading_failed", suffix=suffix)
                await self.stop()
                return ReadPage(error=UNREADABLE)
            except asyncio.CancelledError:
                await self.stop()  # what it would answer is not the next page's
                raise

    async def _ask(self, process: Process, task: Task, content: bytes) -> ReadPage:
        if process.stdin is None or process.stdout is None:
            raise ConnectionError
        header = msgspec.json.encode(task)
        process.stdin.write(len(header).to_bytes(HEADER) + header + content)
        await process.stdin.drain()
        length = int.from_bytes(await process.stdout.readexactly(HEADER))
        return _decoder.decode(await process.stdout.readexactly(length))

    async def _started(self) -> Process:
        if self._process is not None and self._read >= MOST_PAGES:
            await self.stop()
        if self._process is None:
            limits = msgspec.json.encode(self._limits).decode()
            command = [sys.executable, "-m", "services.rag.crawl.pages.reading", str(self._folder)]
            self._process = await asyncio.create_subprocess_exec(
                *command, limits, stdin=PIPE, stdout=PIPE, stderr=DEVNULL
            )
            self._read = 0
        self._read += 1
        return self._process

    async def stop(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                process.kill()
            await process.communicate()


@asynccontextmanager
async def open_reader(limits: PageLimits) -> AsyncIterator[Reader]:
    """Hand out a reader; its process starts with the first page and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="crawl-") as folder:
        reader = Reader(Path(folder), limits)
        try:
            yield reader
        finally:
            await reader.stop()
