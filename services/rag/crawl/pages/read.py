"""What passes between the crawl and the process that reads its pages."""

import hashlib
import re
from collections.abc import Iterable

import msgspec

from libs.contracts.sources import Note
from services.rag.read.section import Section

SITEMAP = ".sitemap"
"""Stands for a suffix; nothing else is one."""

_VOLATILE = re.compile(
    r"\b(?:\d{8,}(?:\.\d+)?|[0-9a-fA-F-]{16,}"
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d)?|\d\d:\d\d:\d\d)"
)
"""Times to the second, and tokens: what a page is stamped with when it is made."""


class PageTask(msgspec.Struct, frozen=True, kw_only=True):
    """Content to read, by the suffix of its format; `folder` is for what must be a file."""

    url: str
    suffix: str
    folder: str
    charset: str | None = None


class ReadPage(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a page or sitemap says. `error`: why it has no text; its links can be there even so.

    Addresses are normalised. `canonical` is the one that the page names as its own, `robots` what
    its meta elements say, `sitemaps` what a sitemap leads to, `digest` the same for equal texts,
    `shape` for texts that differ in times and tokens only. `refresh` is where it sends its readers,
    `notes` are of what was left out of it.
    """

    sections: tuple[Section, ...] = ()
    title: str = ""
    links: tuple[str, ...] = ()
    canonical: str | None = None
    robots: frozenset[str] = frozenset()
    sitemaps: tuple[str, ...] = ()
    digest: str = ""
    shape: str = ""
    refresh: str | None = None
    notes: tuple[Note, ...] = ()
    error: str | None = None


def digest_of(sections: Iterable[Section]) -> str:
    """Return a hash of what a page says, whatever its title and address."""
    return _hash(_said(sections))


def shape_of(sections: Iterable[Section]) -> str:
    """Return a hash of what a page says without what it is stamped with."""
    return _hash(_VOLATILE.sub("", part) for part in _said(sections))


def _said(sections: Iterable[Section]) -> Iterable[str]:
    for section in sections:
        yield from (section.heading, section.text, section.question, section.answer)


def _hash(parts: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode())
        digest.update(b"\0")
    return digest.hexdigest()
