"""`python -m services.rag.crawl.reading FOLDER LIMITS`: reads the pages of a crawl, for reader.py.

Takes one Task after another from standard input, writes a Read for each to standard output, ends
with its input. One process for a whole crawl: starting one takes longer than reading 200 pages.
"""

import os
import resource
import sys
from pathlib import Path
from typing import BinaryIO

import msgspec

from services.rag.crawl.kinds import HTML
from services.rag.crawl.page import About, about_page, decoded_page
from services.rag.crawl.read import HEADER, SITEMAP, Read, Task, digest_of
from services.rag.crawl.reader import Limits
from services.rag.crawl.sitemap import read_sitemap
from services.rag.parse.__main__ import NICENESS
from services.rag.parse.document import read as read_document
from services.rag.parse.html_file import read_html
from services.rag.parse.section import Section, Unreadable, cleaned

TEXTS = (".txt", ".md", ".csv", ".json")
NO_TEXT = "There is no text on it."


def main() -> None:
    """Read until there is nothing more to read."""
    folder, limits = Path(sys.argv[1]), msgspec.json.decode(sys.argv[2], type=Limits)
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


def _write(go: BinaryIO, found: Read) -> None:
    encoded = msgspec.json.encode(found)
    go.write(len(encoded).to_bytes(HEADER))
    go.write(encoded)
    go.flush()


def read(task: Task, content: bytes, folder: Path, limits: Limits) -> Read:
    """Return what one page, document or sitemap says."""
    try:
        if task.suffix == SITEMAP:
            pages, sitemaps = read_sitemap(content, task.url, limits.entries)
            return Read(links=tuple(pages), sitemaps=tuple(sitemaps))
        if task.suffix == HTML:
            return _page(task, content, limits)
        return _document(task, content, folder, limits)
    except Unreadable as error:
        return Read(error=str(error))
    except MemoryError:
        return Read(error=f"Reading it takes more than {limits.memory} bytes of memory.")
    except RecursionError:
        return Read(error="It is nested too deeply.")


def _page(task: Task, content: bytes, limits: Limits) -> Read:
    html = decoded_page(content, task.charset)
    about = about_page(html, task.url, limits.agent, limits.links)
    return _read(list(read_html(html, task.url)), about, limits)


def _document(task: Task, content: bytes, folder: Path, limits: Limits) -> Read:
    if task.suffix in TEXTS and task.charset:
        content = decoded_page(content, task.charset).encode()
    path = folder / "document"
    path.write_bytes(content)
    found = read_document(path, task.suffix, most_pages=limits.pages, most_unpacked=limits.memory)
    return _read([one for one in found if isinstance(one, Section)], About(), limits)


def _read(sections: list[Section], about: About, limits: Limits) -> Read:
    error = None
    size = sum(len(one.text) + len(one.question) + len(one.answer) for one in sections)
    if not size:
        error = NO_TEXT
    elif size > limits.characters:
        error = f"It has more than {limits.characters} characters of text."
    return Read(
        sections=() if error else tuple(map(cleaned, sections)),
        title=about.title,
        links=about.links,
        canonical=about.canonical,
        robots=about.robots,
        digest=digest_of(sections),
        error=error,
    )


if __name__ == "__main__":
    main()
