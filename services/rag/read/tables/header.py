"""Where a table says what its cells are: in one row above them, in two, in its first column."""

import re
from collections.abc import Iterable
from functools import reduce

from services.rag.read.questions import asks

Cells = list[str]

MOST_HEADER_ROWS = 4
KEY_VALUE_KINDS = 3
"""Kinds of value (see kind_of) from which the second of two columns is no column of one kind."""
_DIGIT = re.compile(r"\d")
_YEAR = re.compile(r"(?:19|20)\d\d")
_NUMBER = re.compile(r"[^\w\s]{0,3}\s?\d[\d.,'\s]*+\s?(?:%|[^\W\d_]{1,4})?")
_ADDRESS = re.compile(r"[^\s@]+@[^\s@.]+(?:\.[^\s@.]+)+|(?:https?://|www\.)\S+")
_PHONE = re.compile(r"\+?[\d(][\d\s()./-]{6,30}\d")
_LABELS = frozenset(
    {
        *("address", "company", "contact", "e-mail", "email", "facebook", "fax", "hours", "web"),
        *("location", "mobile", "name", "owner", "phone", "tel", "telephone", "viber", "website"),
    }
)
"""Names of what a business says of itself, for tables with the names in their first column."""


def header_rows(rows: list[Cells]) -> int:
    """Return how many rows name the columns."""
    if len(rows) < 2 or _begins_with_data(rows):
        return 0
    count = 2 if _has_two_header_rows(rows) else 1
    while count < MOST_HEADER_ROWS and _names_figures(rows[count : count + 1], rows[count + 1 :]):
        count += 1
    return count


def is_key_value(rows: list[Cells]) -> bool:
    """Tell whether the names stand in the first column: labels, with values of many kinds."""
    if any(len(row) > 2 for row in rows):
        return False
    labels = [row[0] for row in rows]
    if len(rows) > 1 and all(label.endswith(":") for label in labels):
        return True
    if len(rows) < 3:
        return False
    if len(set(labels)) < len(labels) or any(_DIGIT.search(one) for one in labels):
        return False
    values = [row[1] if len(row) > 1 else "" for row in rows]
    known = sum(not _LABELS.isdisjoint(one.lower().strip(" :").split()) for one in labels)
    kinds = {kind_of(value) for value in values if value}
    mixed = len(kinds) > 1 and bool(_DIGIT.search(values[0])) and not _YEAR.search(values[0])
    several = known >= 2 or len(kinds) >= KEY_VALUE_KINDS or mixed
    return several and not _asks_mostly(labels)


def _begins_with_data(rows: list[Cells]) -> bool:
    """Tell whether the first row is like those below it, so that none names the columns."""
    first = rows[0]
    if any(asks(cell) for cell in first):
        return True
    return any(
        kind_of(cell) != "text"
        and not _YEAR.fullmatch(cell)
        and _column_is(rows[1:], at, kind_of(cell))
        for at, cell in enumerate(first)
        if cell
    )


def _column_is(rows: list[Cells], at: int, kind: str) -> bool:
    cells = [row[at] for row in rows if at < len(row) and row[at]]
    return bool(cells) and sum(kind_of(cell) == kind for cell in cells) * 2 > len(cells)


def _has_two_header_rows(rows: list[Cells]) -> bool:
    """Tell whether the second row divides the names of the first, as merged cells have it."""
    if len(rows) < 3:
        return False
    first, second = rows[0], rows[1]
    divided = any(
        above in {"", before} and below
        for before, above, below in zip(first, first[1:], second[1:], strict=False)
    )
    starts_as_names = not second[0] or second[0] == first[0]
    return divided and starts_as_names and names_columns(second[1:], [row[1:] for row in rows[2:]])


def _names_figures(rows: list[Cells], below: list[Cells]) -> bool:
    """Tell whether a row goes on with the names above it: words, over columns of numbers only."""
    filled = [(at, cell) for cells in rows for at, cell in enumerate(cells) if cell]
    return len(filled) > 1 and all(
        kind_of(cell) == "text" and not _DIGIT.search(cell) and _column_is(below, at, "number")
        for at, cell in filled
    )


def names_columns(cells: Cells, below: list[Cells]) -> bool:
    """Tell whether cells are names: words, with figures below one of them at least."""
    if any(kind_of(cell) != "text" for cell in cells if cell and not _YEAR.fullmatch(cell)):
        return False
    return any(
        any(_DIGIT.search(row[at]) for row in below if at < len(row)) for at in range(len(cells))
    ) and not any(_DIGIT.search(cell) for cell in cells if not _YEAR.fullmatch(cell))


def joined_names(rows: list[Cells]) -> Cells:
    """Return one name for each column of header rows; what spans columns stands in front."""
    return reduce(_joined, rows, [])


def _joined(first: Cells, second: Cells) -> Cells:
    names: Cells = []
    above = ""
    for at in range(max(len(first), len(second))):
        above = cell_at(first, at) or above
        below = cell_at(second, at)
        names.append(above if below in {"", above} else f"{above} {below}".strip())
    return names


def kind_of(cell: str) -> str:
    """Name the kind of a value: a number, a phone number, an address of the net, or a text."""
    if _NUMBER.fullmatch(cell):
        return "number"
    if _PHONE.fullmatch(cell):
        return "phone"
    return "address" if _ADDRESS.fullmatch(cell) else "text"


def _asks_mostly(cells: Iterable[str]) -> bool:
    found = [asks(cell) for cell in cells]
    return sum(found) * 2 > len(found)


def cell_at(cells: Cells, position: int) -> str:
    """Return a cell of a row, empty where the row has ended."""
    return cells[position] if position < len(cells) else ""
