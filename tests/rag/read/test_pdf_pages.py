"""Pages of PDFs: what runs through them, what goes on from one to the next, what repeats only."""

from pathlib import Path

import pytest
from fpdf import FPDF

from services.rag.read.pdf.document import read_pdf
from services.rag.read.pdf.page import is_garbled, mended
from services.rag.read.pdf.pages import joined, without_running_lines
from services.rag.read.section import Section

ROWS = [(f"A-{n:02}", f"Chair {n}", f"{n * 7}", f"{n * 110}.00") for n in range(11, 31)]


def pages(*texts: str) -> list[Section]:
    """Pages with these texts, from page 1 on."""
    return [Section(text=text, page=number) for number, text in enumerate(texts, 1)]


def test_running_lines_are_told_once() -> None:
    """Headers, and footers with the number of the page, in whatever words."""
    bodies = [f"Rule {n * 7} holds.\nIt costs {n * 13} pesos." for n in range(1, 7)]
    found = without_running_lines(
        pages(*(f"Manual 2026\n{body}\nSol Inc, page {n} of 6" for n, body in enumerate(bodies, 1)))
    )
    assert [one.text for one in found][1:] == bodies[1:]
    assert found[0].text.startswith("Manual 2026\n")


def test_rows_that_are_alike_are_no_running_lines() -> None:
    """They differ in their figures, as every list does."""
    texts = [
        "\n".join(f"Item {page}.{row} costs {page * 11 + row * 3} pesos." for row in range(3))
        for page in range(1, 9)
    ]
    assert [one.text for one in without_running_lines(pages(*texts))] == texts


def test_a_sentence_goes_on_on_the_next_page() -> None:
    """Its end comes to where it began; what is a sentence by itself stays."""
    first = "The late check-out fee depends on the hour: until 2 PM it is"
    found = list(joined(pages(first, "500 pesos. The pool closes at nine.", "Bring a towel.")))
    assert [(one.page, one.text) for one in found] == [
        (1, f"{first} 500 pesos."),
        (2, "The pool closes at nine."),
        (3, "Bring a towel."),
    ]


def test_hyphens() -> None:
    """One at the end of a line joins a word, one in a code stays; nothing else is left of them."""
    assert mended("conva\x02llis") == "convallis"
    assert mended("PB\x0230K") == "PB-30K"
    assert mended("manufac\u2010\nturer") == "manufacturer"
    assert mended("A\u00adB\x01") == "AB"


def test_letters_that_are_none() -> None:
    """Numbers of glyphs read as letters are no words; labels of a chart are."""
    assert is_garbled("5HWXUQV\n6HQG\x03LW")
    assert is_garbled("7KH ZDUUDQWB ODVWV WZR BHDUV IURP WKH UHFHLSW")
    assert not is_garbled("Context Length (#Tokens)\n2K 11K 20K")


def outlined(path: Path, lift: float) -> Path:
    """A page of three headings in the outline, which lead `lift` points above their lines."""
    document = FPDF(unit="pt", format="a4")
    document.set_font("helvetica", size=12)
    document.add_page()
    document.set_margin(50)
    for heading, lines in {
        "": ["Read **all** of this."],
        "Fees": ["The **late** fee is **500** pesos; it is due when the ship-", "ment has left."],
        "Hours": ["We are open from **9** to 17."],
    }.items():
        if heading:
            document.set_y(document.get_y() - lift)
            document.start_section(heading)
            document.set_y(document.get_y() + lift)
            document.cell(text=heading, new_x="LMARGIN", new_y="NEXT", h=14)
        for line in lines:
            document.cell(text=line, markdown=True, new_x="LMARGIN", new_y="NEXT", h=14)
    for row in range(4):
        document.set_xy(50, 300 + row * 14)
        document.cell(text=f"Size {row}")
    for row in range(4):
        document.set_xy(200, 300 + row * 14)
        document.cell(text=f"{row * 7 + 10} pesos")
    document.output(str(path))
    return path


@pytest.mark.parametrize("lift", [-3.0, 0.0, 3.0])
def test_below_headings_of_the_outline_stands_the_text(tmp_path: Path, lift: float) -> None:
    """Its lines are whole, its broken words and its rows too, wherever the heading's mark is."""
    found = read_pdf(outlined(tmp_path / "a.pdf", lift), 9)
    assert [(one.heading, one.text.splitlines()) for one in found if isinstance(one, Section)] == [
        ("", ["Read all of this."]),
        ("Fees", ["Fees", "The late fee is 500 pesos; it is due when the shipment has left."]),
        (
            "Hours",
            [
                "Hours",
                "We are open from 9 to 17.",
                *(f"Size {n}  {n * 7 + 10} pesos" for n in range(4)),
            ],
        ),
    ]


def read_text(document: FPDF, tmp_path: Path) -> str:
    """Return what is read of a PDF of one page."""
    path = tmp_path / "page.pdf"
    path.write_bytes(bytes(document.output()))
    return "\n".join(one.text for one in read_pdf(path, 1) if isinstance(one, Section))


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_page_that_was_turned_keeps_its_rows(tmp_path: Path, degrees: int) -> None:
    """No figure of a row runs into the next row."""
    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", size=9)
    with document.rotation(degrees, x=105, y=148):
        for at, row in enumerate(ROWS):
            for column, cell in enumerate(row):
                document.text(40 + 30 * column, 60 + 4 * at, cell)
    lines = [line.split() for line in read_text(document, tmp_path).splitlines()]
    assert lines == [" ".join(row).split() for row in ROWS]


def test_a_table_drawn_by_column_is_read_by_row(tmp_path: Path) -> None:
    """Or from its last row up: what is in a row is told as one."""
    document = FPDF()
    document.add_page()
    document.set_font("Helvetica", size=9)
    for at, row in enumerate(ROWS):
        document.text(20, 40 + 6 * at, row[0])
    for at, row in reversed(list(enumerate(ROWS))):
        for column, cell in enumerate(row[1:]):
            document.text(50 + 40 * column, 40 + 6 * at, cell)
    lines = read_text(document, tmp_path).splitlines()
    assert lines == ["  ".join(row) for row in ROWS]
