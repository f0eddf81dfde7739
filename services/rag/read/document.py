"""A document of any format: what its name says it is has to be what is in it.

Only the reader that is needed is imported: all of them take half a second and 100 MB.
"""

import zipfile
from collections.abc import Iterator
from pathlib import Path

from libs.contracts.sources import Note
from services.rag.read.archive import mended, usual_name
from services.rag.read.section import Section, Unreadable
from services.rag.read.text import decoded, read_text

PDF_HEADER_WITHIN = 1024
"""Bytes; the specification lets something stand before the header."""


def read(
    path: Path, suffix: str, *, most_pages: int, most_unpacked: int
) -> Iterator[Section | Note]:
    """Yield a document's sections, and notes of what is left out, in the document's order.

    `most_unpacked` is in bytes. Raises Unreadable.
    """
    if not path.stat().st_size:
        raise Unreadable("The file is empty.")
    match suffix:
        case ".pdf":
            from services.rag.read.pdf.document import read_pdf  # noqa: PLC0415 -- see above

            _must_be_pdf(path)
            return read_pdf(path, most_pages)
        case ".docx":
            from services.rag.read.word.document import read_docx  # noqa: PLC0415 -- see above

            _must_hold(path, "word/document.xml", "Word document (.docx)", most_unpacked)
            return read_docx(mended(path))
        case ".xlsx":
            from services.rag.read.tables.spreadsheet import read_xlsx  # noqa: PLC0415 -- see above

            _must_hold(path, "xl/workbook.xml", "spreadsheet (.xlsx)", most_unpacked)
            return read_xlsx(mended(path))
        case _:
            return _read_text(decoded(path), suffix)


def _read_text(text: str, suffix: str) -> Iterator[Section | Note]:
    match suffix:
        case ".csv":
            from services.rag.read.tables.csv_file import read_csv  # noqa: PLC0415 -- see above

            return read_csv(text)
        case ".json" | ".jsonl" | ".ndjson":
            from services.rag.read.json_file import read_json  # noqa: PLC0415 -- see above

            return read_json(text)
        case ".html" | ".htm":
            from services.rag.read.html.document import read_html  # noqa: PLC0415 -- see above

            return read_html(text)
        case ".md":
            from services.rag.read.markdown import read_markdown  # noqa: PLC0415 -- see above

            return read_markdown(text)
        case _:
            return read_text(text)


def _must_be_pdf(path: Path) -> None:
    with path.open("rb") as file:
        if b"%PDF-" not in file.read(PDF_HEADER_WITHIN):
            raise Unreadable("The file is not a PDF, whatever its name says.")


def _must_hold(path: Path, member: str, kind: str, most_unpacked: int) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except zipfile.BadZipFile:
        raise Unreadable(f"The file is not a {kind}, or it is encrypted or damaged.") from None
    if member not in {usual_name(entry.filename) for entry in entries}:
        raise Unreadable(f"The file is not a {kind}, whatever its name says.")
    # What an entry says of its size is all that is ever read of it.
    if sum(entry.file_size for entry in entries) > most_unpacked:
        raise Unreadable(f"The {kind} is larger than {most_unpacked} bytes when it is unpacked.")
