"""PDF, page by page; its outline gives the headings. pypdfium2, Chromium's PDF engine."""

from collections.abc import Iterator
from pathlib import Path

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it has no stubs

from services.rag.parse.section import Section, Unreadable, heading_of


def read_pdf(path: Path, most_pages: int) -> Iterator[Section]:
    """Yield each page that has text. Raises Unreadable."""
    document = _open(path)
    if len(document) > most_pages:
        raise Unreadable(
            f"The PDF has {len(document)} pages, {most_pages} are allowed: divide it into parts."
        )
    headings = _headings(document)
    heading = ""
    found = False
    for index in range(len(document)):
        heading = headings.get(index, heading)
        page = document[index]
        text = page.get_textpage().get_text_bounded().replace("\r\n", "\n").strip()
        page.close()
        if text:
            found = True
            yield Section(text=text, heading=heading, page=index + 1)
    if not found:
        raise Unreadable("The PDF has no text, only pictures: run it through text recognition.")


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        if "password" in str(error).lower():
            raise Unreadable("The PDF is encrypted: upload it without its password.") from error
        raise Unreadable("The file is not a PDF, or it is damaged.") from error


def _headings(document: pdfium.PdfDocument) -> dict[int, str]:
    """Return the path of the last outline entry that points to each page, by page from 0."""
    found: dict[int, str] = {}
    path: list[str] = []
    for entry in document.get_toc():
        destination = entry.get_dest()
        path = [*path[: entry.level], entry.get_title().strip()]
        index = destination.get_index() if destination else None
        if index is not None:
            found[index] = heading_of(path)
    return found
