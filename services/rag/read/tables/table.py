"""The shape of tables: rows of cells, of whatever format, as an owner arranged them.

A grid (a CSV file, a sheet) is cut at blank rows. A lone cell above a table is its title, the first
row of the table's width names the columns, and each row below is a section of its own that says
what it is about. Tables of questions become questions with answers.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby, pairwise

from libs.contracts.sources import Note
from services.rag.read.questions import (
    is_answer_name,
    is_question_name,
    question_columns,
)
from services.rag.read.section import Section, heading_of, note
from services.rag.read.tables.header import (
    Cells,
    cell_at,
    header_rows,
    is_key_value,
    joined_names,
    kind_of,
    names_columns,
)

MOST_TITLE = 200
"""Characters of a line above a table that is its title; a longer one is a text."""
MOST_NAMING = 80
"""Characters of a cell that names its row."""
NAMING = 2
"""Cells at the beginning of a row that may name it: a code and a name, say."""
MOST_ALIGNED = 200
"""Cells of a row in which numbers that were cut are looked for."""
MOST_COLUMNS = 2_000
"""Columns of a table that are read."""
LOOKED_AT = 200
"""Rows below a header from which it is told."""
QUESTION_WORDS = 4
"""Words of a cell above questions, from which it is one of them and no name."""
MOST_VALUE = 5
"""Characters of a value that all cells of a row may have in common without being its title."""
YEAR_DIGITS = 4
MOST_ROWS_NAMED = 10
"""Rows that a note names by their numbers."""
_CUT_NUMBER = re.compile(r"\d{3}(?!\d)")


@dataclass
class Table:
    """Rows below the names of their columns; without names the cells stand for themselves."""

    heading: str
    names: Cells = field(default_factory=list)
    rows: list[tuple[int, Cells]] = field(default_factory=list)
    """Each with its number in the grid, from 1."""
    by_key: bool = False
    """Whether the names stand in the first of two columns."""

    def as_lines(self) -> str:
        """Return "name: value" for each row of a table with its names in the first column."""
        pairs = (
            (cells[0].rstrip(" :"), ", ".join(filter(None, cells[1:]))) for _, cells in self.rows
        )
        return "\n".join(f"{name}: {value}" if value else name for name, value in pairs)

    def as_markdown(self) -> str:
        """Return the table in Markdown, or as lines; its title stands above it."""
        if self.by_key:
            text = self.as_lines()
        else:
            header = (
                [_line(self.names), _line(["---"] * len(self.names))] if any(self.names) else []
            )
            text = "\n".join([*header, *(_line(cells) for _, cells in self.rows)])
        return f"{self.heading}\n\n{text}" if self.heading else text


def _line(cells: Cells) -> str:
    return f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |"


def table_of(rows: Sequence[Sequence[str]], *, headed: bool) -> Table | None:
    """Return the table that rows make, None when they make none.

    `headed`: the first row is known to name the columns; else it may.
    """
    numbered = [(number, [cell.strip() for cell in row]) for number, row in enumerate(rows, 1)]
    lines, body = _titles([(number, cells) for number, cells in numbered if any(cells)])
    cells = [row for _, row in body]
    if not cells or max(map(len, cells)) < 2:
        return None
    heading = heading_of(lines)
    names_of_questions = any(map(is_question_name, cells[0])) and any(map(is_answer_name, cells[0]))
    if headed or names_of_questions or names_columns(cells[0], cells[1:]):
        return _table(body, heading)
    return Table(heading, [], body, by_key=is_key_value(cells))


def sections_of_grid(
    grid: Iterable[Sequence[str]], heading: str = "", place: str = ""
) -> Iterator[Section | Note]:
    """Yield the rows of all tables of a grid, and the texts between them.

    `heading` stands above all of it, `place` is where the grid is, for notes.
    """
    for block in _blocks(grid):
        if isinstance(block, Table):
            yield from _sections_of(block, heading, place)
        else:
            yield Section(text=block, heading=heading)


def _blocks(grid: Iterable[Sequence[str]]) -> Iterator[Table | str]:
    """Yield tables, each with its title, and texts that belong to none."""
    above: list[str] = []
    table: Table | None = None
    for rows in _parts(grid):
        lines, body = _titles(rows)
        if table is not None and not lines and _goes_on(table, body):
            table.rows += body
            continue
        if table is not None:
            yield table
            table = None
        if not body:  # lines of text: a title when there is a table below them
            yield from above
            above = ["\n".join(lines)]
            continue
        long = [text for text in above if len(text) > MOST_TITLE]
        yield from long
        titles = [text for text in (*above, *lines) if text not in long]
        table = _table(body, heading_of(line for text in titles for line in text.split("\n")))
        above = []
    yield from [table] if table is not None else above


def _parts(grid: Iterable[Sequence[str]]) -> Iterator[list[tuple[int, Cells]]]:
    """Yield the rows between blank ones, of tables that stand side by side one after the other."""
    for rows in _between_blanks(grid):
        beside = _side_by_side(rows)
        for one in beside:
            yield from _between_blanks(one)
        if not beside:
            yield rows


def _between_blanks(grid: Iterable[Sequence[str]]) -> Iterator[list[tuple[int, Cells]]]:
    """Yield the rows between blank ones, without empty columns at the end."""
    numbered = (
        (number, [cell.strip() for cell in row[:MOST_COLUMNS]])
        for number, row in enumerate(grid, 1)
    )
    for filled, rows in groupby(numbered, key=lambda row: any(row[1])):
        if filled:
            found = list(rows)
            width = max(_width(cells) for _, cells in found)
            yield [(number, cells[:width]) for number, cells in found]


def _side_by_side(rows: list[tuple[int, Cells]]) -> list[list[Cells]]:
    """Return the tables that stand beside each other, with an empty column between them.

    Only where each has names of its own: a form has empty columns as well.
    """
    width = max(len(cells) for _, cells in rows)
    empty = [at for at in range(width) if not any(cell_at(cells, at) for _, cells in rows)]
    borders = [-1, *empty, width]
    spans = [(a + 1, b) for a, b in pairwise(borders) if b - a > 2]
    if len(spans) < 2:
        return []
    found = [[cells[first:last] for _, cells in rows] for first, last in spans]
    filled = [[cells for cells in table if any(cells)] for table in found]
    headed = all(len(table) > 1 and names_columns(table[0], table[1:]) for table in filled)
    return found if headed else []


def _width(cells: Cells) -> int:
    return max((at + 1 for at, cell in enumerate(cells) if cell), default=0)


def _titles(rows: list[tuple[int, Cells]]) -> tuple[list[str], list[tuple[int, Cells]]]:
    """Return the lone cells above a table, and the table; only lone cells are no table."""
    lines: list[str] = []
    for at, (_, cells) in enumerate(rows):
        lone = _lone(cells)
        if not lone:
            return lines, rows[at:]
        lines.append(lone)
    return lines, []


def _lone(cells: Cells) -> str:
    """Return the only text of a row, though it may be in several cells that were merged."""
    filled = {cell for cell in cells if cell}
    return filled.pop() if len(filled) == 1 else ""


def _goes_on(table: Table, rows: list[tuple[int, Cells]]) -> bool:
    """Tell whether rows behind a blank one belong to the table above it."""
    if not rows:
        return False
    first = rows[0][1]
    if len(first) > max(len(table.names), *(len(cells) for _, cells in table.rows[-1:]), 0):
        return False
    return len(rows) == 1 or not names_columns(first, [cells for _, cells in rows[1:]])


def _table(rows: list[tuple[int, Cells]], heading: str) -> Table:
    cells = [row for _, row in rows[:LOOKED_AT]]
    if is_key_value(cells):
        return Table(heading, [], rows, by_key=True)
    count = header_rows(cells)
    return Table(heading, joined_names(cells[:count]), rows[count:])


def _sections_of(table: Table, heading: str, place: str) -> Iterator[Section | Note]:
    above = heading_of(dict.fromkeys((heading, table.heading)))
    if table.by_key:
        yield Section(text=table.as_lines(), heading=above)
        return
    rows = [_aligned(cells, table.names) for _, cells in table.rows]
    found = question_columns(table.names, rows)
    if found is not None:
        yield from _questions(table, found, above, place)
        return
    yield from _rows(table.names, rows, above)


def _rows(names: Cells, rows: list[Cells], heading: str) -> Iterator[Section]:
    part = ""
    before: Cells = []
    for at, row in enumerate(rows):
        if _is_part(rows, at, least=1 if part else 2):
            part = _lone(row)
            continue
        cells = _named_as_above(row, before)
        before = cells
        yield _row(names, cells, heading_of((heading, part)))


def _is_part(rows: list[Cells], at: int, least: int) -> bool:
    """Tell whether a row is a title of those that follow: `least` rows of more than a cell."""
    below = rows[at + 1 : at + 1 + least]
    title = _across(rows[at])
    if title.isdigit() and len(title) < YEAR_DIGITS:  # the number of a row that says nothing
        return False
    return 0 < len(title) <= MOST_TITLE and len(below) == least and not any(map(_lone, below))


def _across(cells: Cells) -> str:
    """Return the text that stands across a row: its first cell alone, or one merged over all."""
    lone = _lone(cells) if cells[0] else ""
    repeated = sum(map(bool, cells)) > 1
    return "" if repeated and not _may_span(lone) else lone


def _may_span(text: str) -> bool:
    """Tell whether equal cells are one that was merged: a text, but no "yes" or "3"."""
    return len(text) > MOST_VALUE and kind_of(text) == "text"


def _row(names: Cells, cells: Cells, heading: str) -> Section:
    if len(names) > 1 and (across := _across(cells)):
        return Section(text=across, heading=heading)
    if not any(names):
        return Section(text=", ".join(_named_cells([], cells)), heading=heading)
    lines = _named_cells(names, cells)
    naming = [line for line in lines[:NAMING] if len(line) <= MOST_NAMING]
    return Section(text="\n".join(lines), heading=heading, lead="\n".join(naming))


def _named_cells(names: Cells, cells: Cells) -> list[str]:
    """Return "name: cell" for each cell; one that was merged over several columns once."""
    lines: list[str] = []
    before = ("", "")
    bare = [name.rstrip(" :") for name in _padded(names, len(cells))]
    for name, cell in zip(bare, cells, strict=False):
        merged = cell == before[1] and name in {"", before[0]} and _may_span(cell)
        if cell and not merged:
            lines.append(f"{name}: {cell}" if name else cell)
        before = (name, cell)
    return lines


def _named_as_above(cells: Cells, before: Cells) -> Cells:
    """Return a row whose first cell is empty with that of the row above: it stands for both."""
    if len(cells) > 2 and before and not cells[0] and cells[1] and kind_of(cells[1]) == "text":
        return [before[0], *cells[1:]]
    return cells


def _aligned(cells: Cells, names: Cells) -> Cells:
    """Join what was one number ("10,000") before it was cut, while there are cells too many."""
    if len(cells) > MOST_ALIGNED:
        return cells
    cells = list(cells)
    at = 1
    while len(cells) > len(names) > 1 and at < len(cells):
        if cells[at - 1][-1:].isdigit() and _CUT_NUMBER.match(cells[at]):
            cells[at - 1 : at + 1] = [f"{cells[at - 1]},{cells[at]}"]
        else:
            at += 1
    return cells


def _padded(names: Cells, width: int) -> Cells:
    return [*names[:width], *[""] * (width - len(names))]


def questions_of(table: Table, heading: str) -> Iterator[Section]:
    """Yield the questions of a table of them, with their answers."""
    columns = question_columns(table.names, [cells for _, cells in table.rows])
    if columns is not None:
        found = _questions(table, columns, heading_of((heading, table.heading)), "")
        yield from (one for one in found if isinstance(one, Section))


def _questions(
    table: Table, columns: tuple[int, int], heading: str, place: str
) -> Iterator[Section | Note]:
    """Yield questions with their answers; what else is in their rows belongs to the answer."""
    question, answer = columns
    above = cell_at(table.names, question), cell_at(table.names, answer)
    if all(above) and len(above[0].split()) >= QUESTION_WORDS:  # a question without its mark
        yield Section(question=above[0], answer=above[1], heading=heading)
    asked = ""
    said: list[str] = []
    incomplete: list[int] = []
    for number, row in table.rows:
        cells = _aligned(row, table.names)
        more = _said(cells, table.names, question, answer)
        if cell_at(cells, question):
            yield from _answered(asked, said, heading)
            asked, said = cell_at(cells, question), []
            if not more:
                incomplete.append(number)
        elif not asked:
            incomplete.append(number)
        elif not cell_at(cells, answer):  # of no answer: of another table, or a remark
            yield Section(text=", ".join(filter(None, cells)), heading=heading)
            continue
        said += more
    yield from _answered(asked, said, heading)
    if incomplete:
        yield _incomplete(incomplete, place)


def _said(cells: Cells, names: Cells, question: int, answer: int) -> list[str]:
    lines = [cell_at(cells, answer)]
    lines += [
        f"{name}: {cell}" if name else cell
        for at, (name, cell) in enumerate(zip(_padded(names, len(cells)), cells, strict=False))
        if at not in {question, answer} and cell
    ]
    return [line for line in lines if line]


def _answered(asked: str, said: list[str], heading: str) -> Iterator[Section]:
    if asked and said:
        yield Section(question=asked, answer="\n".join(said), heading=heading)


def _incomplete(numbers: list[int], place: str) -> Note:
    named = ", ".join(map(str, numbers[:MOST_ROWS_NAMED]))
    more = "" if len(numbers) <= MOST_ROWS_NAMED else f" and {len(numbers) - MOST_ROWS_NAMED} more"
    return note(
        "incomplete_question",
        f"A question or its answer is missing in row {named}{more}: these rows were left out.",
        place,
    )
