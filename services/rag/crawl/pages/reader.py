"""Has the pages of a crawl read in a process of their own, see reading.py and read/child.py."""

import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

from services.rag.crawl.pages.read import PageTask, ReadPage
from services.rag.read.child import Child, ChildDied, ChildLimits

log = structlog.get_logger()

UNREADABLE = "It can't be read; it may be damaged."
MOST_PAGES = 500
"""Pages that one process reads, for what its libraries keep in memory of each."""


class PageLimits(ChildLimits, frozen=True, kw_only=True):
    """What bounds the reading of one page.

    Pages of a PDF, characters of text; links of a page, entries of a sitemap; and the name under
    which pages may address us.
    """

    pages: int
    characters: int
    links: int
    entries: int
    agent: str


class Reader:
    """Reads page after page, for one crawl."""

    def __init__(self, folder: str, limits: PageLimits) -> None:
        self._folder = folder
        self._seconds = limits.seconds
        self._child = Child("services.rag.crawl.pages.reading", limits, ReadPage, most=MOST_PAGES)

    @property
    def pid(self) -> int | None:
        """Its process, when there is one."""
        return self._child.pid

    async def read(
        self, content: bytes, *, url: str, suffix: str, charset: str | None = None
    ) -> ReadPage:
        """Return what a page says; one that can't be read says why in `error`."""
        task = PageTask(url=url, suffix=suffix, folder=self._folder, charset=charset)
        try:
            return await self._child.ask(task, content)
        except TimeoutError:
            return ReadPage(error=f"Reading it takes longer than {self._seconds:g} s.")
        except ChildDied:
            log.warning("crawl.reading_failed", suffix=suffix)
            return ReadPage(error=UNREADABLE)

    async def stop(self) -> None:
        """End its process."""
        await self._child.stop()


@asynccontextmanager
async def open_reader(limits: PageLimits) -> AsyncIterator[Reader]:
    """Hand out a reader; its process starts with the first page and ends with the block."""
    with tempfile.TemporaryDirectory(prefix="crawl-") as folder:
        reader = Reader(folder, limits)
        try:
            yield reader
        finally:
            await reader.stop()
