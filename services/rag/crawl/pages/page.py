"""A web page: its text, and what it says about itself and others. Runs in the reading process."""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice

from lxml.html import HtmlElement  # type: ignore[import-untyped]  # it has no stubs

from services.rag.crawl.fetch.robots import words_of
from services.rag.crawl.fetch.urls import normalised
from services.rag.read.html.tree import tree_of
from services.rag.read.section import Unreadable, clean
from services.rag.read.text import text_of

MOST_TITLE = 200
"""Characters of a page's title that are kept."""
_PRESCANNED = 2_048
"""Bytes of a page in which it may name its encoding; the standard has 1,024."""
_META_CHARSET = re.compile(rb"""(?:charset|encoding)\s*+=\s*+["']?\s*+([A-Za-z0-9_:.-]+)""")
MOST_REFRESH = 2_000
"""Characters of where a page sends its readers."""
LONGEST_REFRESH = 30.0
"""Seconds after which it does so, at most; later it is there to be read."""
_REFRESH = re.compile(r"(\d{1,6}(?:\.\d{1,6})?)?\s*[;,]\s*url\s*=\s*(.*)", re.IGNORECASE)
_SPACES = re.compile(r"\s+")
_AS_BROWSERS = {"iso8859-1": "cp1252", "ascii": "cp1252"}
"""Browsers read these labels as Windows' superset, so pages mean it."""
_NOT_OF_PAGES = {"punycode", "idna", "unicode-escape", "raw-unicode-escape", "utf-7"}
"""Python's own, which take the square of a text, or make of it what no text is."""


@dataclass(frozen=True, kw_only=True)
class About:
    """What a page says beside its text; see read.Read."""

    title: str = ""
    links: tuple[str, ...] = ()
    canonical: str | None = None
    robots: frozenset[str] = field(default_factory=frozenset)
    refresh: str | None = None


def decoded_page(content: bytes, declared: str | None) -> str:
    """Return a page's text: by its byte order mark, the header, its own word, or a guess."""
    named = _META_CHARSET.search(content[:_PRESCANNED])
    for label in (_mark(content), declared, named[1].decode() if named else None):
        try:
            return clean(content.decode(_encoding(label), "replace").lstrip("\ufeff"))
        except (LookupError, ValueError):  # there is no such encoding, or not of texts
            continue
    return text_of(content)


def _mark(content: bytes) -> str | None:
    marks = {codecs.BOM_UTF8: "utf-8", codecs.BOM_UTF16_LE: "utf-16-le"}
    marks[codecs.BOM_UTF16_BE] = "utf-16-be"
    return next((name for mark, name in marks.items() if content.startswith(mark)), None)


def _encoding(label: str | None) -> str:
    """Return Python's name of an encoding. Raises LookupError when there is none."""
    name = codecs.lookup(label or "").name
    if name in _NOT_OF_PAGES:
        raise LookupError(name)
    return _AS_BROWSERS.get(name, name)


def about_page(html: str, url: str, agent: str, most_links: int) -> About:
    """Return what a page at `url` says beside its text. Raises Unreadable."""
    tree = tree_of(html)
    if tree is None:
        raise Unreadable("There is no text on it.")
    base = next((normalised(href, url) for href in tree.xpath("//base/@href")), None) or url
    robots = frozenset(_robots(tree, agent))
    links = () if "nofollow" in robots else islice(_links(tree, base), most_links)
    canonical = next(iter(tree.xpath('//link[@rel="canonical"]/@href')), None)
    return About(
        title=_title(tree),
        links=tuple(dict.fromkeys(links)),
        canonical=normalised(canonical, base) if canonical else None,
        robots=robots,
        refresh=next(_refreshes(tree, base), None),
    )


def _title(tree: HtmlElement) -> str:
    for path in (".//title", ".//h1"):
        found = tree.find(path)
        text = _SPACES.sub(" ", found.text_content()).strip() if found is not None else ""
        if text:
            return text[:MOST_TITLE]
    return ""


def _robots(tree: HtmlElement, agent: str) -> Iterator[str]:
    for meta in tree.xpath("//meta[@name and @content]"):
        if meta.get("name").strip().lower() in {"robots", agent.lower()}:
            yield from words_of(meta.get("content"))


def _refreshes(tree: HtmlElement, base: str) -> Iterator[str]:
    """Yield where a page sends its readers by itself, soon."""
    for meta in tree.xpath("//meta[@http-equiv and @content]"):
        if meta.get("http-equiv").strip().lower() == "refresh":
            target = refresh_target(meta.get("content"))
            url = normalised(target, base) if target else None
            if url is not None:
                yield url


def refresh_target(content: str) -> str | None:
    """Return where "0; url=/home" leads; None for a page that only loads itself anew."""
    found = _REFRESH.fullmatch(content.strip()[:MOST_REFRESH])
    if found is None or float(found[1] or 0) > LONGEST_REFRESH:
        return None
    return found[2].strip("\"' ") or None


def _links(tree: HtmlElement, base: str) -> Iterator[str]:
    for link in tree.iter("a", "area"):
        if (
            link.get("href") is not None
            and "nofollow" not in (link.get("rel") or "").lower().split()
        ):
            url = normalised(link.get("href"), base)
            if url is not None:
                yield url
