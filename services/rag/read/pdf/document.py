"""PDF, page by page; its outline gives the headings. pypdfium2, Chromium's PDF engine."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it has no stubs
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

from libs.contracts.sources import Note
from services.rag.read.pdf.page import bands, is_garbled, text_of
from services.rag.read.pdf.pages import joined, without_running_lines
from services.rag.read.pdf.turned import is_turned, upright
from services.rag.read.section import Section, Unreadable, heading_of, note

RECOGNISE = "run the file through text recognition (OCR), and upload the result."
UNMAPPED = 0.3
"""Share of a page's characters without a letter, from which the page can't be read."""
LOOKED_AT = 300
"""Characters of a page that are asked for their letter."""
MOST_NAMED = 20
"""Pages that a note names."""


def read_pdf(path: Path, most_pages: int) -> Iterator[Section | Note]:
    """Yield the text below each heading of each page that has text. Raises Unreadable."""
    document = _open(path)
    if len(document) > most_pages:
        raise Unreadable(
            f"The PDF has {len(document)} pages, {most_pages} are allowed: divide it into parts."
        )
    if document.get_formtype() != pdfium_c.FORMTYPE_NONE:
        document.init_forms()  # what was filled in is drawn with them
    pages = _Pages(document)
    sections = list(pages.sections())
    notes = list(pages.notes())
    if not sections:
        raise Unreadable(pages.reason())
    yield from joined(without_running_lines(sections))
    yield from notes


class _Pages:
    """Reads a document, and remembers which pages could not be."""

    def __init__(self, document: pdfium.PdfDocument) -> None:
        self._document = document
        self._pictures: list[int] = []
        self._unmapped: list[int] = []

    def sections(self) -> Iterator[Section]:
        """Yield the parts of each page that can be read, in order."""
        headings = _headings(self._document)
        heading = ""
        for index in range(len(self._document)):
            page = self._document[index]
            if self._document.formenv:
                page.flatten()
                # Only a page that is loaded anew has its fields as text.
                page = self._document[index]
            places = headings.get(index, [])
            textpage = page.get_textpage()
            if is_turned(textpage):
                page = upright(self._document, index)
                textpage = page.get_textpage()
                places = [(None, name) for _, name in places]  # a height was one of the page before
            for above, text in self._parts(page, textpage, index + 1, places):
                heading = above or heading
                if text:
                    yield Section(text=text, heading=heading, page=index + 1)
            page.close()

    def _parts(
        self,
        page: pdfium.PdfPage,
        textpage: Any,
        number: int,
        headings: list[tuple[float | None, str]],
    ) -> Iterator[tuple[str, str]]:
        """Yield the text below each heading of a page, first what stands above them all."""
        if not textpage.count_chars():
            if _has_picture(page):
                self._pictures.append(number)
        elif _unmapped(textpage) > UNMAPPED and is_garbled(str(textpage.get_text_range())):
            self._unmapped.append(number)
        else:
            yield from _below_headings(page, textpage, headings)
            return
        yield from ((heading, "") for _, heading in headings)

    def notes(self) -> Iterator[Note]:
        """Yield what was left out."""
        if self._pictures:
            message = f"{_pages(self._pictures)} only pictures and were not read: {RECOGNISE}"
            yield note("picture_pages", message, _place(self._pictures))
        if self._unmapped:
            message = (
                f"{_pages(self._unmapped)} letters in a font that does not say which they are, "
                f"and were not read: {RECOGNISE}"
            )
            yield note("unreadable_letters", message, _place(self._unmapped))

    def reason(self) -> str:
        """Say why nothing could be read."""
        if self._unmapped:
            return (
                f"The PDF's letters can't be read, its fonts do not say which they are: {RECOGNISE}"
            )
        return f"The PDF has no text, only pictures: {RECOGNISE}"


def _pages(numbers: list[int]) -> str:
    """Return "Page 2 has" or "Pages 2, 3 and 5 more have"."""
    if len(numbers) == 1:
        return f"Page {numbers[0]} has"
    more = len(numbers) - MOST_NAMED
    named = ", ".join(map(str, numbers[:MOST_NAMED]))
    return f"Pages {named}{f' and {more} more' if more > 0 else ''} have"


def _place(numbers: list[int]) -> str:
    named = ", ".join(map(str, numbers[:MOST_NAMED]))
    return f"page {named}" + (", …" if len(numbers) > MOST_NAMED else "")


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("The PDF is encrypted: upload it without its password.") from error
        raise Unreadable("The file is not a PDF, or it is damaged.") from error


def _headings(document: pdfium.PdfDocument) -> dict[int, list[tuple[float | None, str]]]:
    """Return the outline's entries by page from 0: their height on it, and the path to each."""
    found: dict[int, list[tuple[float | None, str]]] = {}
    path: list[str] = []
    for entry in document.get_toc():
        destination = entry.get_dest()
        path = [*path[: entry.level], entry.get_title().strip()]
        index = destination.get_index() if destination else None
        if index is not None:
            found.setdefault(index, []).append((_height(destination), heading_of(path)))
    return found


def _height(destination: Any) -> float | None:
    """Return how far up a page a destination is, in points; None when it is all of the page."""
    mode, numbers = destination.get_view()
    at = {pdfium_c.PDFDEST_VIEW_XYZ: 1, pdfium_c.PDFDEST_VIEW_FITH: 0}.get(mode)
    return numbers[at] if at is not None and at < len(numbers) else None


def _below_headings(
    page: pdfium.PdfPage, textpage: Any, headings: list[tuple[float | None, str]]
) -> Iterator[tuple[str, str]]:
    """Yield the text of a page above its headings, and below each."""
    heights = [height for height, _ in headings if height is not None]
    falling = len(heights) == len(headings) and heights == sorted(heights, reverse=True)
    if not heights or not falling or page.get_rotation():
        yield (headings[-1][1] if headings else ""), text_of(textpage)
        return
    names = ["", *(heading for _, heading in headings)]
    for heading, band in zip(names, bands(textpage, heights), strict=True):
        yield heading, text_of(textpage, band) if band.bottom != band.top else ""


def _has_picture(page: pdfium.PdfPage) -> bool:
    return any(True for _ in page.get_objects(filter=[pdfium_c.FPDF_PAGEOBJ_IMAGE], max_depth=3))


def _unmapped(textpage: Any) -> float:
    """Return the share of a page's characters that its fonts give no letter for."""
    count = textpage.count_chars()
    step = max(1, count // LOOKED_AT)
    found = Counter(
        bool(pdfium_c.FPDFText_HasUnicodeMapError(textpage, at)) for at in range(0, count, step)
    )
    return found[True] / found.total()
