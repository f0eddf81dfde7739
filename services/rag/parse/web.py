"""HTML and what becomes HTML: web pages and Word documents."""

import zlib
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers.expat import ExpatError
from zipfile import BadZipFile

import lxml.html  # type: ignore[import-untyped]  # it has no stubs
import mammoth  # type: ignore[import-untyped]  # it has no stubs
import trafilatura
from lxml.etree import ParserError  # type: ignore[import-untyped]  # it has no stubs
from lxml.html import HtmlElement
from markdownify import markdownify

from services.rag.parse.markdown import sections_of
from services.rag.parse.section import Section, Unreadable

DAMAGED = (BadZipFile, KeyError, ValueError, TypeError, AttributeError, ExpatError, zlib.error)
"""What mammoth lets through."""


def read_html(text: str) -> Iterator[Section]:
    """Yield the sections of a page's main content: without menus, footers and advertisements."""
    content = trafilatura.extract(
        text, output_format="markdown", include_tables=True, include_links=False, favor_recall=True
    )
    yield from sections_of(content or _everything(_without_code(text)))


def read_docx(file: BinaryIO) -> Iterator[Section]:
    """Yield the sections of a Word document. Raises Unreadable."""
    try:
        html = mammoth.convert_to_html(
            file, convert_image=mammoth.images.img_element(lambda _: {"src": ""})
        ).value
    except DAMAGED as error:
        raise Unreadable("The Word document is damaged.") from error
    yield from sections_of(_everything(html))


def tree_of(html: str) -> HtmlElement | None:
    """Return the tree of a page or a piece of one, None when there is nothing in it."""
    # As bytes, since what an XML declaration says of the encoding is not true of a string.
    parser = lxml.html.HTMLParser(encoding="utf-8")
    try:
        return lxml.html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except ParserError:
        return None


def _without_code(html: str) -> str:
    """Return the page without what nobody reads: its scripts' and styles' text is not its own."""
    tree = tree_of(html)
    if tree is None:
        return ""
    for element in tree.xpath("//head | //script | //style | //noscript | //template"):
        element.drop_tree()
    shown: str = lxml.html.tostring(tree, encoding="unicode")
    return shown


def _everything(html: str) -> str:
    converted: str = markdownify(html, heading_style="ATX", strip=["a", "img", "script", "style"])
    return converted
