"""Cuts a text into pieces of a size, each of which says what it is about.

A row that is cut repeats what names it, a table its header; a row is never joined with another
table's, and never cut while there is room for it.
"""

import re
from collections.abc import Iterator
from itertools import groupby

from semantic_text_splitter import MarkdownSplitter, TextSplitter

from services.rag.index.blocks import blocks_of

Splitter = TextSplitter | MarkdownSplitter

MOST_REPEATED = 0.5
"""Share of a piece that what it repeats may take; more would leave no room for what is new."""
_RULE = re.compile(r"[\s:|]*-[\s:|-]*")
_NAMED = re.compile(r"[^:\n]{1,80}: ")


def split(text: str, splitter: Splitter, size: int) -> Iterator[str]:
    """Yield the pieces of a text, at its seams."""
    for block in blocks_of(text, size):
        yield from filter(str.strip, splitter.chunks(block))


def pieces_of(text: str, lead: str, splitter: Splitter, size: int) -> Iterator[str]:
    """Yield the pieces of a section: a row when it has a `lead`, else a text with tables."""
    if len(text) <= size:
        yield from filter(str.strip, [text])
    elif lead and len(lead) <= MOST_REPEATED * size:
        yield from _row(text.removeprefix(lead).strip("\n"), lead, size)
    else:
        yield from _text(text, splitter, size)


def _row(text: str, lead: str, size: int) -> Iterator[str]:
    """Yield the cells of a row in pieces; a cell that is cut goes on below its name."""
    room = size - len(lead) - 1
    piece: list[str] = []
    left = room
    for line in text.splitlines():
        for part in _cell(line, room):
            if len(part) + 1 > left and piece:
                yield "\n".join([lead, *piece])
                piece, left = [], room
            piece.append(part)
            left -= len(part) + 1
    yield "\n".join([lead, *piece])


def _cell(line: str, room: int) -> Iterator[str]:
    if len(line) < room:
        yield line
        return
    named = _NAMED.match(line)
    name = named[0] if named and len(named[0]) <= MOST_REPEATED * room else ""
    splitter = TextSplitter(max(1, room - len(name) - 1))
    for part in split(line.removeprefix(name), splitter, room):
        yield f"{name}{part.strip()}"


def _text(text: str, splitter: Splitter, size: int) -> Iterator[str]:
    lines = text.splitlines()
    parts = [(is_table, list(part)) for is_table, part in groupby(lines, key=_is_table_line)]
    if not any(is_table and _is_long(part, size) for is_table, part in parts):
        yield from split(text, splitter, size)
        return
    plain: list[str] = []
    for is_table, part in parts:
        if is_table and _is_long(part, size):
            yield from split("\n".join(plain), splitter, size)
            plain = []
            yield from _table(part, size)
        else:
            plain += part
    yield from split("\n".join(plain), splitter, size)


def _is_table_line(line: str) -> bool:
    return line.strip().startswith("|")


def _is_long(rows: list[str], size: int) -> bool:
    return len(rows) > 2 and sum(map(len, rows)) + len(rows) > size


def _table(rows: list[str], size: int) -> Iterator[str]:
    """Yield a Markdown table in pieces between its rows, each below the header."""
    header = rows[:2] if _RULE.fullmatch(rows[1].strip()) else []
    repeated = "\n".join(header)
    if len(repeated) > MOST_REPEATED * size:
        header, repeated = [], ""
    piece: list[str] = []
    left = size - len(repeated)
    for row in rows[len(header) :]:
        if header and len(row) + len(repeated) > size:
            yield from _long_row(header[0], row, size)
            continue
        if len(row) + 1 > left and piece:
            yield "\n".join([*header, *piece])
            piece, left = [], size - len(repeated)
        piece.append(row)
        left -= len(row) + 1
    if piece:
        yield "\n".join([*header, *piece])


def _long_row(header: str, row: str, size: int) -> Iterator[str]:
    """Yield a row that is longer than a piece, each cell on a line below the first one."""
    names, cells = _cells(header), _cells(row)
    named = [*names, *[""] * (len(cells) - len(names))]
    pairs = zip(named, cells, strict=False)
    lines = [f"{name}: {cell}" if name else cell for name, cell in pairs if cell]
    yield from pieces_of("\n".join(lines), lines[0] if lines else "", TextSplitter(size), size)


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
