"""What passes between the crawl and the process that reads its pages."""

import hashlib
from collections.abc import Iterable

import msgspec

from services.rag.parse.section import Section

SITEMAP = ".sitemap"
"""Stands for a suffix; nothing else is one."""
HEADER = 4
"""Bytes that say how long the part after them is."""


class Task(msgspec.Struct, frozen=True, kw_only=True):
    """Content to read, by the suffix of its format; `size` bytes of it follow."""

    url: str
    suffix: str
    size: int
    charset: str | None = None


class Read(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a page or sitemap says. `error`: why it has no text; its links can be there even so.

    Addresses are normalised. `canonical` is the one that the page names as its own, `robots` what
    its meta elements say, `sitemaps` what a sitemap leads to, `digest` the same for equal texts.
    """

    sections: tuple[Section, ...] = ()
    title: str = ""
    links: tuple[str, ...] = ()
    canonical: str | None = None
    robots: frozenset[str] = frozenset()
    sitemaps: tuple[str, ...] = ()
    digest: str = ""
    error: str | None = None


def digest_of(sections: Iterable[Section]) -> str:
    """Return a hash of what a page says, whatever its title and address."""
    digest = hashlib.sha256()
    for section in sections:
        for part in (section.heading, section.text, section.question, section.answer):
            digest.update(part.encode())
            digest.update(b"\0")
    return digest.hexdigest()
