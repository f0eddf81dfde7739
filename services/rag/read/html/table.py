"""The cells of an HTML table, those that span several rows or columns in each of them."""

from collections.abc import Callable

from lxml.html import HtmlElement  # type: ignore[import-untyped]  # it has no stubs

MOST_SPAN = 200
"""Rows or columns that a cell is repeated in."""
MOST_DIGITS = 5
LONG_CELL = 600
"""Characters of a cell from which a table is there to lay out a page."""


def is_layout(table: HtmlElement) -> bool:
    """Tell whether a table is how a page is laid out, not rows of values."""
    if table.get("role") == "presentation":
        return True
    if next(table.iter("h1", "h2", "h3", "form"), None) is not None:
        return True
    cells = [cell for cell in table.iter("td", "th") if next(cell.iter("table"), None) is None]
    return len(cells) < 2 or any(len(cell.text_content()) > LONG_CELL for cell in cells[:2])


def is_headed(table: HtmlElement) -> bool:
    """Tell whether the first row is marked as one of names, or set in bold from end to end."""
    row = next(table.iter("tr"), None)
    cells = list(row.iterchildren("td", "th")) if row is not None else []
    in_head = any(above.tag == "thead" for above in cells[0].iterancestors()) if cells else False
    if in_head or (cells and all(cell.tag == "th" for cell in cells)):
        return True
    filled = [cell for cell in cells if cell.text_content().strip()]
    return bool(filled) and all(_is_bold(cell) for cell in filled)


def _is_bold(cell: HtmlElement) -> bool:
    bold = "".join(one.text_content() for one in cell.iter("strong", "b"))
    return "".join(bold.split()) == "".join(cell.text_content().split())


def grid_of(table: HtmlElement, text_of: Callable[[HtmlElement], str]) -> list[list[str]]:
    """Return the rows of a table; a cell's text is on one line."""
    rows: list[list[str]] = []
    waiting: dict[int, tuple[int, str]] = {}  # by column: rows that a cell reaches down, its text
    for row in table.iter("tr"):
        if next(row.iterancestors("table"), None) is not table:
            continue
        cells: list[str] = []
        for cell in row.iterchildren("td", "th"):
            _take_waiting(cells, waiting)
            text = " ".join(text_of(cell).split())
            down = _span(cell, "rowspan")
            for _ in range(_span(cell, "colspan")):
                if down > 1:
                    waiting[len(cells)] = (down - 1, text)
                cells.append(text)
        _take_waiting(cells, waiting)
        rows.append(cells)
    return rows


def _take_waiting(cells: list[str], waiting: dict[int, tuple[int, str]]) -> None:
    while len(cells) in waiting:
        at = len(cells)
        left, text = waiting.pop(at)
        if left > 1:
            waiting[at] = (left - 1, text)
        cells.append(text)


def _span(cell: HtmlElement, name: str) -> int:
    value = (cell.get(name) or "1").strip()
    if not (value.isascii() and value.isdigit()) or len(value) > MOST_DIGITS:
        return 1
    return min(max(1, int(value)), MOST_SPAN)
