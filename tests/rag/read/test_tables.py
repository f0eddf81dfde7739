# ruff: noqa: DTZ001, RUF001 -- a case reads best on a line of its own
"""Tables of every shape: each row says what it is about, and nothing of another."""

import datetime as dt
import io
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import openpyxl
import pytest
from semantic_text_splitter import MarkdownSplitter

from libs.contracts.sources import Note
from services.rag.index.cut import pieces_of
from services.rag.read.code_pages import code_page_of
from services.rag.read.document import read
from services.rag.read.json_file import read_json
from services.rag.read.section import Section
from services.rag.read.tables.cell_format import shown
from services.rag.read.tables.csv_file import read_csv
from services.rag.read.text import text_of

Rows = list[list[str | int | None]]


def said(text: str) -> list[tuple[str, str]]:
    """Return heading and text of each section of a CSV file."""
    found = [one for one in read_csv(text) if isinstance(one, Section)]
    return [(one.heading, one.text or f"{one.question}|{one.answer}") for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a;b\n1;2\n", [("", "a: 1\nb: 2")]),
        ("sep=|\nname|fee\nAna|5\n", [("", "name: Ana\nfee: 5")]),
        ("name\tfee\r\nAna\t5\r\n", [("", "name: Ana\nfee: 5")]),
        ('name,size\nTV,"55"" wide"\n', [("", 'name: TV\nsize: 55" wide')]),
        ("Menu of May\nDish,Price\nAdobo,120\n", [("Menu of May", "Dish: Adobo\nPrice: 120")]),
        ("Menu\n\nDish,Price\nAdobo,120\n", [("Menu", "Dish: Adobo\nPrice: 120")]),
        ("Only a line of text here.\n", [("", "Only a line of text here.")]),
        ("Day,Open\nMon,9-5,call first\n", [("", "Day: Mon\nOpen: 9-5\ncall first")]),
        ("Item,Stock\nBolt 10,000 mm,7\n", [("", "Item: Bolt 10,000 mm\nStock: 7")]),
        (
            "Room,Summer,,Winter,\n,Day,Night,Day,Night\nTwin,1,2,3,4\n",
            [("", "Room: Twin\nSummer Day: 1\nSummer Night: 2\nWinter Day: 3\nWinter Night: 4")],
        ),
        (
            "Name,Price\nTea,50\n\nHoliday,Open\nMay 1,closed\n",
            [("", "Name: Tea\nPrice: 50"), ("", "Holiday: May 1\nOpen: closed")],
        ),
        ("Tea,50\nCake,90\n", [("", "Tea, 50"), ("", "Cake, 90")]),
        (
            "Company,Sol Inc\nPhone,0917 555 0101\nEmail,a@b.example\n",
            [("", "Company: Sol Inc\nPhone: 0917 555 0101\nEmail: a@b.example")],
        ),
        (
            "Dish,Solo,Family\nSoups,,\nBulalo,260,760\nTinola,170,490\n",
            [
                ("Soups", "Dish: Bulalo\nSolo: 260\nFamily: 760"),
                ("Soups", "Dish: Tinola\nSolo: 170\nFamily: 490"),
            ],
        ),
        (
            "A,B,C\n3,3,3\n1,2,3\n4,5,6\n",
            [("", "A: 3\nB: 3\nC: 3"), ("", "A: 1\nB: 2\nC: 3"), ("", "A: 4\nB: 5\nC: 6")],
        ),
        (
            "Opening hours,9 to 5\nDelivery fee,50 pesos\nParking,free\nPhone,0917 555\n",
            [
                (
                    "",
                    "Opening hours: 9 to 5\nDelivery fee: 50 pesos\nParking: free\nPhone: 0917 555",
                )
            ],
        ),
        ("1,none,0,0\n2,0,0,none\n", [("", "1, none, 0, 0"), ("", "2, 0, 0, none")]),
        (
            "No,Cost,Fee\n1,5,6\n2,,\n3,7,8\n4,9,9\n",
            [
                ("", "No: 1\nCost: 5\nFee: 6"),
                ("", "2"),
                ("", "No: 3\nCost: 7\nFee: 8"),
                ("", "No: 4\nCost: 9\nFee: 9"),
            ],
        ),
        ("Region:;North\nStaff:;Both\n", [("", "Region: North\nStaff: Both")]),
        (
            "Item,Price\nHot,\nTea,50\nMilo,60\nCold,\nCola,40\nSweet,\nHalo,90\n",
            [
                ("Hot", "Item: Tea\nPrice: 50"),
                ("Hot", "Item: Milo\nPrice: 60"),
                ("Cold", "Item: Cola\nPrice: 40"),
                ("Sweet", "Item: Halo\nPrice: 90"),
            ],
        ),
        (
            ",,A,B\n,,Cebu,Davao\n1,Rent,20,30\n2,Power,4,5\n",
            [("", "1\nRent\nA Cebu: 20\nB Davao: 30"), ("", "2\nPower\nA Cebu: 4\nB Davao: 5")],
        ),
        ("Note\nWe open at 9, close at 5\n", [("Note", "We open at 9, close at 5")]),
        ("Year,2025,2026\nRent,5,6\n", [("", "Year: Rent\n2025: 5\n2026: 6")]),
    ],
)
def test_shapes(text: str, expected: list[tuple[str, str]]) -> None:
    """Titles, dialects, two headers, two tables, names at the side, categories, wide rows."""
    assert said(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Q,A\nOpen?,Yes\n", ["Open?|Yes"]),
        ("Pregunta;Respuesta\n¿Abren?;Sí\n", ["¿Abren?|Sí"]),
        ("Guest question,Our reply\nPets?,Small dogs\n", ["Pets?|Small dogs"]),
        ("Pets?,Small dogs\nParking?,Free\n", ["Pets?|Small dogs", "Parking?|Free"]),
        (
            "Thema,Wann\nWann ist offen?,Um neun\nWo?,Hier\n",
            ["Wann ist offen?|Um neun", "Wo?|Hier"],
        ),
        (
            "How do I pay here,In cash\nPets?,No\nOpen?,Yes\n",
            ["How do I pay here|In cash", "Pets?|No", "Open?|Yes"],
        ),
        ("customerQuestion,ourAnswer\nPets?,No\n", ["Pets?|No"]),
        ("question,answer,link\nHow?,So,x.example\n", ["How?|So\nlink: x.example"]),
        (
            "question,answer\nZones?,A: 2 days\n,B: 4 days\nMore?,No\n",
            ["Zones?|A: 2 days\nB: 4 days", "More?|No"],
        ),
    ],
)
def test_questions(text: str, expected: list[str]) -> None:
    """By their names in any language, or by their marks; all of a row belongs to the answer."""
    assert [text for _, text in said(text)] == expected


def test_cells_of_one_letter_are_no_utf_16() -> None:
    """Every other byte is a comma then, as the upper halves of an alphabet's letters are alike."""
    for text in ("a,b,c\n1,2,3\n4,5,\N{COPYRIGHT SIGN}\n", "1\t2\t3\n4\t5\t6\n7\t8\t9\n"):
        assert text_of(text.encode("latin-1")) == text


def test_an_incomplete_question_is_told() -> None:
    """The row is named."""
    found = [one for one in read_csv("question,answer\nHow?,So\nWhy?,\n") if isinstance(one, Note)]
    assert [one.code for one in found] == ["incomplete_question"]
    assert "row 3" in found[0].message


def sheets(make: Callable[[openpyxl.Workbook], None], tmp_path: Path) -> list[Section | Note]:
    """Return what is read of a workbook."""
    book = openpyxl.Workbook()
    make(book)
    saved = io.BytesIO()
    book.save(saved)
    path = tmp_path / "book.xlsx"
    path.write_bytes(saved.getvalue())
    return list(read(path, ".xlsx", most_pages=1, most_unpacked=10**9))


def test_what_a_sheet_hides_is_not_told(tmp_path: Path) -> None:
    """Sheets, rows and columns; each is named in a note."""

    def make(book: openpyxl.Workbook) -> None:
        page = book.worksheets[0]
        rows: Rows = [["Item", "Cost", "Price"], ["Tea", 11, 50], ["Old tea", 12, 40]]
        for row in rows:
            page.append(row)
        page.column_dimensions["B"].hidden = True
        page.row_dimensions[3].hidden = True
        other = book.create_sheet("Margins")
        other.append(["Tea", "78 percent"])
        other.sheet_state = "veryHidden"

    found = sheets(make, tmp_path)
    assert [one.text for one in found if isinstance(one, Section)] == ["Item: Tea\nPrice: 50"]
    notes = {one.code: one for one in found if isinstance(one, Note)}
    assert set(notes) == {"hidden_rows", "hidden_columns", "hidden_sheet"}
    assert notes["hidden_sheet"].place == "sheet Margins"


def test_merged_cells_and_tables_side_by_side(tmp_path: Path) -> None:
    """A merged cell belongs to each of its rows; two tables beside each other are two."""

    def make(book: openpyxl.Workbook) -> None:
        page = book.worksheets[0]
        for row in [
            ["Branch", "Phone", None, "Day", "Opens"],
            ["Cebu", "032-1", None, "Mon", "9:00"],
            [None, "032-2", None, "Sun", "10:00"],
        ]:
            page.append(row)
        page.merge_cells("A2:A3")

    found = [one.text for one in sheets(make, tmp_path) if isinstance(one, Section)]
    assert found == [
        "Branch: Cebu\nPhone: 032-1",
        "Branch: Cebu\nPhone: 032-2",
        "Day: Mon\nOpens: 9:00",
        "Day: Sun\nOpens: 10:00",
    ]


def test_a_formula_that_was_never_computed_is_told(tmp_path: Path) -> None:
    """By the name of its column, with what to do."""

    def make(book: openpyxl.Workbook) -> None:
        rows: Rows = [["Item", "Net", "Gross"], ["Chair", 100, "=B2*1.12"]]
        for row in rows:
            book.worksheets[0].append(row)

    (told,) = [one for one in sheets(make, tmp_path) if isinstance(one, Note)]
    assert told.code == "formula_without_result"
    assert "Gross" in told.message


@pytest.mark.parametrize(
    ("value", "code", "text"),
    [
        (0.075, "0.0%", "7.5%"),
        (-1234.5, "#,##0.00", "-1,234.50"),
        (-5, "#,##0;(#,##0)", "(5)"),
        (1299, "[$₱-3409]#,##0.00", "₱1,299.00"),
        (42, "000000", "000042"),
        (9171234567, "0000 000 0000", "0917 123 4567"),
        (3, '0" pcs"', "3 pcs"),
        (1234567, '#,##0,"K"', "1,235K"),
        (0.1 + 0.2, "General", "0.3"),
        (7.0, "General", "7"),
        (dt.datetime(2026, 3, 1, 14, 5), "dd/mm/yyyy hh:mm", "01/03/2026 14:05"),
        (dt.datetime(2026, 3, 1), "[$-409]mmmm d, yyyy;@", "March 1, 2026"),
        (dt.time(13, 30), "h:mm AM/PM", "1:30 PM"),
        (dt.date(2026, 1, 2), "General", "2026-01-02"),
        (dt.timedelta(hours=30), "[h]:mm", "30:00:00"),
        (True, "General", "TRUE"),
        (None, "General", ""),
    ],
)
def test_values_are_shown_as_the_sheet_shows_them(value: object, code: str, text: str) -> None:
    """By the format of the cell."""
    assert shown(value, code) == text


@pytest.mark.parametrize(
    ("text", "code_page"),
    [
        ("Otevřeno máme od pondělí, doručení stojí 99 Kč.", "cp1250"),
        ("Sklep jest otwarty w każdą sobotę, też w święta.", "cp1250"),
        ("Az üzlet hétfőtől nyitva, előtte kérjük hívjon.", "cp1250"),
        ("Le café est ouvert même à Noël, où qu'il soit.", "cp1252"),
        ("Le café est ouvert même à Noël.", "mac_roman"),
        ("Täglich für Gäste über 65, Größe egal.", "cp1252"),
        ("Ang Niño ay nasa Parañaque, café rin.", "cp1252"),
        ("Schön! L'été très chaud. El niño comió ñoquis. João não está. Frågade köra.", "cp1252"),
        ("Kargo ücretsizdir, Şişli şubesi kapalı, ığdır.", "cp1254"),
        ("Доставка стоит 300 рублей. Мы рядом.", "cp1251"),
        ("Доставка стоит 300 рублей. Мы рядом.", "koi8_r"),
        ("Η αποστολή κοστίζει 5 ευρώ κάθε μέρα.", "cp1253"),
        ("המשלוח עולה שלושים שקלים לכל הארץ.", "cp1255"),
    ],
)
def test_code_pages(text: str, code_page: str) -> None:
    """The one whose letters make words of a language."""
    content = text.encode(code_page)
    found = code_page_of(content)
    assert found is not None
    assert content.decode(found) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            '{"items": [{"name": "Tea", "price": 5}, {"name": "Cake", "price": 9}]}',
            ["name: Tea\nprice: 5", "name: Cake\nprice: 9"],
        ),
        ('{"faq": {"list": 1}, "x": [1, 2]}', ["faq.list: 1\nx: 1\nx: 2"]),
        ('{"data": {"products": [{"name": "Tea"}, {"name": "Pie"}]}}', ["name: Tea", "name: Pie"]),
        ('{"Do you deliver?": "Yes.", "Pets?": "No."}', ["Do you deliver?|Yes.", "Pets?|No."]),
        ('{"a": 1}\n{"a": 2}\n', ["a: 1", "a: 2"]),
        (
            '[{"name": "Shirt", "sizes": [{"s": "M"}, {"s": "L"}]}]',
            ["name: Shirt\nsizes.s: M\nsizes.s: L"],
        ),
        (
            '{"topics": [{"name": "Pay", "faqs": [{"question": "Card?", "answer": "Yes"}]}]}',
            ["name: Pay", "Card?|Yes"],
        ),
        (
            '[{"question": "Where?", "answer": ["Here", "There"], "link": "x.example"}]',
            ["Where?|Here\nThere\nlink: x.example"],
        ),
    ],
)
def test_json(text: str, expected: list[str]) -> None:
    """Each item of a list is whole, and a section of its own."""
    assert [one.text or f"{one.question}|{one.answer}" for one in read_json(text)] == expected


def test_a_long_row_repeats_its_name() -> None:
    """In each piece, and a cell that is cut repeats its own."""
    cells = [f"Spec {n}: {n * 11}" for n in range(40)] + ["Notes: " + "very good " * 60]
    row = "\n".join(["Model: Atlas", *cells])
    found = list(pieces_of(row, "Model: Atlas", MarkdownSplitter(300), 300))
    assert len(found) > 3
    assert all(piece.startswith("Model: Atlas\n") and len(piece) <= 300 for piece in found)
    assert all("Notes: " in piece for piece in found if "very good" in piece)
    assert all(f"Spec {n}: {n * 11}" in "\n".join(found) for n in range(40))


def test_a_long_table_repeats_its_header_and_mixes_no_rows() -> None:
    """A table of Markdown in a text that is cut, with another one below it."""
    rows = "\n".join(f"| Room {n} | {n * 100} |" for n in range(60))
    text = f"Our rates.\n\n| Room | Rate |\n| --- | --- |\n{rows}\n\nBreakfast is included."
    found = list(pieces_of(text, "", MarkdownSplitter(400), 400))
    tables = [piece for piece in found if "| Room " in piece]
    assert all(piece.startswith("| Room | Rate |\n| --- | --- |\n") for piece in tables)
    assert all(f"| Room {n} | {n * 100} |" in "\n".join(tables) for n in range(60))
    assert "Breakfast is included." in found[-1]


@pytest.mark.parametrize(
    "text", ["Доставка стоит триста рублей", "التوصيل يكلف خمسين ريالا", "Η αποστολή κοστίζει"]
)
@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_of_any_alphabet_without_a_mark(text: str, encoding: str) -> None:
    """Its upper halves are nearly all the same."""
    assert text_of(text.encode(encoding)) == text


def test_an_archive_with_names_of_another_system_opens(tmp_path: Path) -> None:
    """Backslashes in the archive, and shared strings with a capital."""
    book = openpyxl.Workbook()
    book.worksheets[0].append(["Item", "Price"])
    book.worksheets[0].append(["Tea", 50])
    saved = io.BytesIO()
    book.save(saved)
    odd = tmp_path / "odd.xlsx"
    with ZipFile(saved) as before, ZipFile(odd, "w") as after:
        for name in before.namelist():
            other = name.replace("sharedStrings", "SharedStrings").replace("/", "\\")
            after.writestr(other, before.read(name))
    found = [
        one.text
        for one in read(odd, ".xlsx", most_pages=1, most_unpacked=10**9)
        if isinstance(one, Section)
    ]
    assert found == ["Item: Tea\nPrice: 50"]
