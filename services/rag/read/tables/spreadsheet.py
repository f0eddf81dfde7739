"""Spreadsheets (.xlsx): what their sheets show, as far as nothing of it is hidden.

openpyxl reads the cells as they come, so that a sheet may be of any size and may lie about it. What
it keeps back then (hidden rows and columns, merged cells, links) is read from the sheet's XML.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO, cast

import openpyxl
from lxml import etree  # type: ignore[import-untyped]  # it has no stubs
from openpyxl.packaging.relationship import get_dependents, get_rels_path
from openpyxl.utils import get_column_letter, range_boundaries
from openpyxl.workbook import Workbook

from libs.contracts.sources import Note
from services.rag.read.archive import BROKEN
from services.rag.read.section import LINKED, Section, Unreadable, note
from services.rag.read.tables.cell_format import shown
from services.rag.read.tables.table import MOST_COLUMNS, sections_of_grid

MOST_MERGED = 10_000
"""Cells that a merged one is repeated in; one larger is an ornament."""
WIDEST_MERGED = 50
"""Columns of a merged cell that is repeated."""

_Place = tuple[int, int]
"""Row and column, from 1."""


@dataclass
class Layout:
    """What a sheet's XML says beside its cells."""

    hidden_rows: set[int] = field(default_factory=set)
    hidden_columns: list[range] = field(default_factory=list)
    merged: dict[int, dict[int, _Place]] = field(default_factory=dict)
    """By row and column: of each cell that a merged one covers, the one that has its value."""
    repeated: set[_Place] = field(default_factory=set)
    """Those that have it."""
    links: dict[_Place, str] = field(default_factory=dict)
    uncomputed: set[int] = field(default_factory=set)
    """Columns that have a formula without a stored result."""

    def hides(self, column: int) -> bool:
        """Tell whether a column is hidden."""
        return any(column in columns for columns in self.hidden_columns)


def read_xlsx(file: BinaryIO) -> Iterator[Section | Note]:
    """Yield the rows of all sheets that are shown. Raises Unreadable."""
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        yield from _sheets(book)
    except BROKEN as error:
        raise Unreadable(
            "The spreadsheet is damaged: open it in Excel or LibreOffice, save it anew, and "
            "upload that."
        ) from error


def _sheets(book: Workbook) -> Iterator[Section | Note]:
    hidden = [sheet.title for sheet in book.worksheets if sheet.sheet_state != "visible"]
    for sheet in book.worksheets:
        if sheet.title not in hidden:
            yield from _sheet(book, sheet)
    for title in hidden:
        yield note("hidden_sheet", "The sheet is hidden, so it was left out.", _place(title))


def _place(title: str) -> str:
    return f"sheet {title}"


def _sheet(book: Workbook, sheet: Any) -> Iterator[Section | Note]:
    layout = _layout(book, sheet)
    place = _place(sheet.title)
    names: dict[int, str] = {}
    yield from sections_of_grid(_grid(sheet, layout, names), sheet.title, place)
    yield from _notes(layout, names, place)


def _grid(sheet: Any, layout: Layout, names: dict[int, str]) -> Iterator[list[str]]:
    """Yield the rows as they are shown; `names` gets the first text of each column."""
    sheet.reset_dimensions()
    values: dict[_Place, str] = {}
    for number, row in enumerate(sheet.iter_rows(), 1):
        cells = {
            cell.column: _text(cell, layout)
            for cell in row[:MOST_COLUMNS]
            if cell.value is not None
        }
        for column, text in cells.items():
            names.setdefault(column, text)
            if (number, column) in layout.repeated:
                values[number, column] = text
        for column, origin in layout.merged.get(number, {}).items():
            if not cells.get(column):
                cells[column] = values.get(origin, "")
        if number not in layout.hidden_rows:
            yield [
                cells.get(column, "")
                for column in range(1, max(cells, default=0) + 1)
                if not layout.hides(column)
            ]


def _text(cell: Any, layout: Layout) -> str:
    text = shown(cell.value, cell.number_format).strip()
    target = layout.links.get((cell.row, cell.column), "")
    return f"{text} ({target})" if target and target not in text else text


def _layout(book: Workbook, sheet: Any) -> Layout:
    found = Layout()
    links: dict[_Place, str] = {}
    path: str = sheet._worksheet_path
    archive = book._archive  # type: ignore[attr-defined]
    number = 0
    with archive.open(path) as xml:
        for event, element in etree.iterparse(xml, events=("start", "end"), huge_tree=True):
            name = etree.QName(element).localname
            if event == "start":
                number = _begun(found, name, element, number)
                continue
            _ended(found, links, name, element)
            if name in {"c", "row"}:
                element.clear()
    if links:
        found.links = _targets(archive, path, links)
    return found


def _begun(found: Layout, name: str, element: Any, number: int) -> int:
    """Take what a row or column says of itself; return the number of the row."""
    if name == "row":
        number = int(element.get("r") or number + 1)
        if element.get("hidden") in {"1", "true"}:
            found.hidden_rows.add(number)
    elif name == "col" and element.get("hidden") in {"1", "true"}:
        found.hidden_columns.append(range(int(element.get("min")), int(element.get("max")) + 1))
    return number


def _ended(found: Layout, links: dict[_Place, str], name: str, element: Any) -> None:
    if name == "c":
        parts = {etree.QName(part).localname: part for part in element}
        if "f" in parts and not (parts["v"].text if "v" in parts else None) and element.get("r"):
            found.uncomputed.add(_bounds(element.get("r"))[0])
    elif name == "mergeCell":
        _merge(found, element.get("ref"))
    elif name == "hyperlink":
        for key, value in element.items():
            if etree.QName(key).localname == "id":
                left, top, _, _ = _bounds(element.get("ref"))
                links[top, left] = value


def _merge(found: Layout, reference: str) -> None:
    left, top, right, bottom = _bounds(reference)
    width, height = right - left + 1, bottom - top + 1
    if width > WIDEST_MERGED or width * height > MOST_MERGED:
        return
    found.repeated.add((top, left))
    for row in range(top, bottom + 1):
        covered = found.merged.setdefault(row, {})
        covered |= dict.fromkeys(range(left, right + 1), (top, left))


def _bounds(reference: str) -> tuple[int, int, int, int]:
    """Return the first column and row of a range, and the last ones."""
    return cast("tuple[int, int, int, int]", range_boundaries(reference))


def _targets(archive: Any, path: str, links: dict[_Place, str]) -> dict[_Place, str]:
    """Return the addresses that links lead to, by the ids that the sheet gives them."""
    try:
        relations = get_dependents(archive, get_rels_path(path))  # type: ignore[no-untyped-call]
        targets = {one.Id: one.Target for one in relations}
    except KeyError:
        return {}
    found = {place: targets.get(key) or "" for place, key in links.items()}
    return {
        place: target.removeprefix("mailto:").removeprefix("tel:")
        for place, target in found.items()
        if target.startswith(LINKED)
    }


def _notes(layout: Layout, names: dict[int, str], place: str) -> Iterator[Note]:
    if layout.hidden_rows:
        rows = _few(map(str, sorted(layout.hidden_rows)))
        yield note("hidden_rows", f"Hidden rows were left out: {rows}.", place)
    if layout.hidden_columns:
        columns = _few(get_column_letter(one.start) for one in layout.hidden_columns)
        yield note("hidden_columns", f"Hidden columns were left out: {columns}.", place)
    if layout.uncomputed:
        columns = _few(names.get(one, get_column_letter(one)) for one in sorted(layout.uncomputed))
        yield note(
            "formula_without_result",
            f"Some formulas have no stored result, in the columns {columns}: open the file in "
            "Excel or LibreOffice, save it, and upload it again.",
            place,
        )


def _few(names: Iterator[str], most: int = 10) -> str:
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
