"""`python -m services.rag.crawl.pages.reading FOLDER LIMITS`: reads a crawl's pages, for reader.py.

Takes one Task after another from standard input, writes a Read for each to standard output, ends
with its input. One process for a whole crawl: starting one takes longer than reading 200 pages.
"""

import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from libs.contracts.sources import Note
from services.rag.crawl.pages.kinds import HTML
from services.rag.crawl.pages.page import About, about_page, decoded_page
from services.rag.crawl.pages.read import HEADER, SITEMAP, ReadPage, Task, digest_of, shape_of
from services.rag.crawl.pages.reader import PageLimits
from services.rag.crawl.pages.sitemap import read_sitemap
from services.rag.crawl.pages.soft_404 import SOFT_404, is_soft_404
from services.rag.read.__main__ import NICENESS
from services.rag.read.document import read as read_document
from services.rag.read.html.document import read_html
from services.rag.read.section import Section, Unreadable, cleaned, few

TEXTS = (".txt", ".md", ".csv", ".json", ".jsonl", ".ndjson")
NO_TEXT = "There is no text on it."


def main() -> None:
    """Read until there is nothing more to read."""
    folder, limits = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=PageLimits)
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    come, go = sys.stdin.buffer, sys.stdout.buffer
    while length := come.read(HEADER):
        task = msgspec.json.decode(come.read(int.from_bytes(length)), type=Task)
        content = come.read(task.size)
        _allow(limits.seconds)
        _write(go, read(task, content, folder, limits))


def _allow(seconds: float) -> None:
    """Let the processor work so long on the next page, even when the process that asked is gone."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    until = int(used.ru_utime + used.ru_stime + seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (until, resource.RLIM_INFINITY))


def _write(go: BinaryIO, found: ReadPage) -> None:
    encoded = msgspec.json.encode(found)
    go.write(len(encoded).to_bytes(HEADER))
    go.write(encoded)
    go.flush()


def read(task: Task, content: bytes, folder: Path, limits: PageLimits) -> ReadPage:
    """Return what one page, document or sitemap says."""
    try:
        if task.suffix == SITEMAP:
            pages, sitemaps = read_sitemap(content, task.url, limits.entries)
            return ReadPage(links=tuple(pages), sitemaps=tuple(sitemaps))
        if task.suffix == HTML:
            return _page(task, content, limits)
        return _document(task, content, folder, limits)
    except Unreadable as error:
        return ReadPage(error=str(error))
    except MemoryError:
        return ReadPage(error=f"Reading it takes more than {limits.memory} bytes of memory.")
    except RecursionError:
        return ReadPage(error="It is nested too deeply.")


def _page(task: Task, content: bytes, limits: PageLimits) -> ReadPage:
    html = decoded_page(content, task.charset)
    about = about_page(html, task.url, limits.agent, limits.links)
    try:
        sections = list(read_html(html, task.url))
    except Unreadable as error:
        return _read([], about, limits, error=str(error))
    missing = SOFT_404 if is_soft_404(about.title, sections) else None
    return _read(sections, about, limits, error=missing)


def _document(task: Task, content: bytes, folder: Path, limits: PageLimits) -> ReadPage:
    if task.suffix in TEXTS and task.charset:
        content = decoded_page(content, task.charset).encode()
    path = folder / "document"
    path.write_bytes(content)
    found = list(
        read_document(path, task.suffix, most_pages=limits.pages, most_unpacked=limits.memory)
    )
    notes = few([one for one in found if isinstance(one, Note)])
    sections = [one for one in found if isinstance(one, Section)]
    return _read(sections, About(), limits, notes=notes)


def _read(
    sections: list[Section],
    about: About,
    limits: PageLimits,
    *,
    error: str | None = None,
    notes: tuple[Note, ...] = (),
) -> ReadPage:
    size = sum(len(one.text) + len(one.question) + len(one.answer) for one in sections)
    if error is None and not size:
        error = NO_TEXT
    elif error is None and size > limits.characters:
        error = f"It has more than {limits.characters} characters of text."
    return ReadPage(
        sections=() if error else tuple(map(cleaned, sections)),
        title=about.title,
        links=about.links,
        canonical=about.canonical,
        robots=about.robots,
        digest=digest_of(sections),
        shape=shape_of(sections),
        refresh=about.refresh,
        notes=notes,
        error=error,
    )


if __name__ == "__main__":
    main()
