"""Rows with a header: CSV files and spreadsheets. Each row is a section of its own."""

import csv
import io
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO
from zipfile import BadZipFile

import openpyxl

from services.rag.parse.section import Section, Unreadable

QUESTION_NAMES = frozenset({"question", "questions", "q", "tanong"})
ANSWER_NAMES = frozenset({"answer", "answers", "a", "sagot"})
SNIFFED = 4_096
"""Characters from which a CSV file's delimiter is guessed."""
DAMAGED = (BadZipFile, KeyError, ValueError, TypeError, AttributeError, SyntaxError, zlib.error)
"""What openpyxl lets through, XML errors (SyntaxError) among them."""

csv.field_size_limit(1_000_000)


def read_csv(text: str) -> Iterator[Section]:
    """Yield the rows of a CSV file; its delimiter is found out. Raises Unreadable."""
    try:
        dialect: type[csv.Dialect] = csv.Sniffer().sniff(text[:SNIFFED], delimiters=",;\t|")
    except csv.Error:  # one column, say
        dialect = csv.excel
    try:
        yield from rows(csv.reader(io.StringIO(text), dialect))
    except csv.Error as error:
        raise Unreadable(f"The CSV file can't be read: {error}.") from error


def read_xlsx(file: BinaryIO) -> Iterator[Section]:
    """Yield the rows of all sheets; formulas with the values that were last computed."""
    try:
        book = openpyxl.load_workbook(file, read_only=True, data_only=True)
        for sheet in book.worksheets:
            values = ([_shown(cell) for cell in row] for row in sheet.iter_rows(values_only=True))
            yield from rows(values, heading=sheet.title)
    except DAMAGED as error:
        raise Unreadable("The spreadsheet is damaged.") from error


def rows(table: Iterable[Sequence[str]], heading: str = "") -> Iterator[Section]:
    """Yield each row below the first, which names the columns."""
    filled = (row for row in table if any(cell.strip() for cell in row))
    names = [name.strip() for name in next(filled, ())]
    columns = [name.lower() for name in names]
    question = _position(columns, QUESTION_NAMES)
    answer = _position(columns, ANSWER_NAMES)
    for row in filled:
        cells = [cell.strip() for cell in row]
        if question is not None and answer is not None:
            asked, said = _at(cells, question), _at(cells, answer)
            if asked and said:
                yield Section(question=asked, answer=said, heading=heading)
        else:
            pairs = zip(names, cells, strict=False)
            text = "\n".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)
            yield Section(text=text, heading=heading)


def _position(columns: list[str], names: frozenset[str]) -> int | None:
    return next((at for at, column in enumerate(columns) if column in names), None)


def _at(cells: list[str], position: int) -> str:
    return cells[position] if position < len(cells) else ""


def _shown(cell: object) -> str:
    return "" if cell is None else str(cell)
