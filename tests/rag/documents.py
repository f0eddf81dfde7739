"""Documents of every format, made for the tests."""

import io
import zipfile
from collections.abc import Sequence

import docx
import openpyxl
from fpdf import FPDF


def pdf(pages: Sequence[tuple[str, str]], password: str | None = None) -> bytes:
    """A PDF: heading (in the outline) and text of each page."""
    document = FPDF()
    document.set_font("Helvetica")
    if password:
        document.set_encryption(owner_password=password, user_password=password)
    for heading, text in pages:
        document.add_page()
        if heading:
            document.start_section(heading)
        document.multi_cell(0, 8, text)
    return bytes(document.output())


def word(*blocks: tuple[str, str]) -> bytes:
    """A Word document of headings ("h1", "h2"), paragraphs ("p") and list items ("li")."""
    document = docx.Document()
    for kind, text in blocks:
        match kind:
            case "p":
                document.add_paragraph(text)
            case "li":
                document.add_paragraph(text, style="List Bullet")
            case _:
                document.add_heading(text, level=int(kind[1:]))
    return _saved(document.save)


def spreadsheet(sheet: str, rows: Sequence[Sequence[object]]) -> bytes:
    """An Excel file with one sheet."""
    book = openpyxl.Workbook()
    page = book.active
    assert page is not None
    page.title = sheet
    for row in rows:
        page.append(list(row))
    return _saved(book.save)


def zip_bomb(member: str, megabytes: int) -> bytes:
    """An archive that unpacks to far more than it is."""

    def save(file: io.BytesIO) -> None:
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(member, b"\0" * megabytes * 1024 * 1024)

    return _saved(save)


def _saved(save: object) -> bytes:
    file = io.BytesIO()
    assert callable(save)
    save(file)
    return file.getvalue()
