"""`python -m services.rag.crawl.pages.reading LIMITS`: reads a crawl's pages, for reader.py.

One process for a whole crawl: starting one takes longer than reading 200 pages.
"""

import sys
from functools import partial
from pathlib import Path

import msgspec

from libs.contracts.sources import Note
from services.rag.crawl.pages.kinds import HTML
from services.rag.crawl.pages.page import About, about_page, decoded_page
from services.rag.crawl.pages.read import SITEMAP, PageTask, ReadPage, digest_of, shape_of
from services.rag.crawl.pages.reader import PageLimits
from services.rag.crawl.pages.sitemap import read_sitemap
from services.rag.crawl.pages.soft_404 import SOFT_404, is_soft_404
from services.rag.read.child import serve
from services.rag.read.document import read as read_document
from services.rag.read.html.document import read_html
from services.rag.read.section import Section, Unreadable, cleaned, few

TEXTS = (".txt", ".md", ".csv", ".json", ".jsonl", ".ndjson")
NO_TEXT = "There is no text on it."


def read(limits: PageLimits, task: PageTask, content: bytes) -> ReadPage:
    """Return what one page, document or sitemap says."""
    try:
        if task.suffix == SITEMAP:
            pages, sitemaps = read_sitemap(content, task.url, limits.entries)
            return ReadPage(links=tuple(pages), sitemaps=tuple(sitemaps))
        if task.suffix == HTML:
            return _page(task, content, limits)
        return _document(task, content, limits)
    except Unreadable as error:
        return ReadPage(error=str(error))
    except MemoryError:
        return ReadPage(error=f"Reading it takes more than {limits.memory} bytes of memory.")
    except RecursionError:
        return ReadPage(error="It is nested too deeply.")


def _page(task: PageTask, content: bytes, limits: PageLimits) -> ReadPage:
    html = decoded_page(content, task.charset)
    about = about_page(html, task.url, limits.agent, limits.links)
    try:
        sections = list(read_html(html, task.url))
    except Unreadable as error:
        return _read([], about, limits, error=str(error))
    missing = SOFT_404 if is_soft_404(about.title, sections) else None
    return _read(sections, about, limits, error=missing)


def _document(task: PageTask, content: bytes, limits: PageLimits) -> ReadPage:
    if task.suffix in TEXTS and task.charset:
        content = decoded_page(content, task.charset).encode()
    path = Path(task.folder) / "document"
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


def main() -> None:
    """Read until there is nothing more to read."""
    limits = msgspec.json.decode(sys.argv[1], type=PageLimits)
    serve(PageTask, partial(read, limits), limits)


if __name__ == "__main__":
    main()
