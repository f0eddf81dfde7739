"""Cuts a passage into what can be quoted of it: sentences, list items, rows of tables."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby, takewhile

import sentencex  # type: ignore[import-untyped]  # it has none

_HEADING = re.compile(r"#{1,6}\s+")
_ITEM = re.compile(r"(?:[-*+•‣◦]|\d{1,3}[.)])\s+")
_RULE = re.compile(r"[\s|:]*+-[\s|:-]*+")
_ABBREVIATED = re.compile(
    r"(?:^|\s)\(?(?:Brgy|Bgy|Sta|Sto|Gng|Bb|Engr|Atty|Arch|Hon|Kgg|Approx|Tel|Ext|Loc|Mob|Bldg|Blk|"
    r"Blvd|Subd|Rm|Flr|Fl|Lt|Min|Max|Pcs|Hrs|Mins)\.$",
    re.IGNORECASE,
)
"""What sentencex does not know, of the Philippines and of price lists."""
_ABBREVIATION_WITHIN = 12
"""Characters of a sentence's end in which one of them must stand."""
MOST_AT_ONCE = 2_000
"""Characters that sentencex gets: a run without spaces costs it the square of that."""
WRAPPED = 60
"""Characters from which a line without an end is one that goes on in the next."""
WRAPPED_WITHOUT_CASE = 40
"""The same in scripts without small letters, whose next line does not show whether it goes on."""
SHORT_ROW = 200
"""Characters of a row of "name: value" lines that is quoted whole; of a longer one, a value."""
MOST_NAME = 80
"""Characters of a value that names its row."""
_LABELLED = re.compile(r"([^:|]{1,80}): (?=\S)")
_FACT = re.compile(
    r"[₱$€£]|\d{1,2}(?::\d\d)?\s?[ap]\.?m|\d{1,2}:\d\d|\S+@\S|https?://|\+?[\d(][\d ()-]{6,20}",
    re.IGNORECASE,
)
"""A price, a time, an address, a phone number: what no row is named by."""
_PLAIN_FIGURE = re.compile(r"\W{0,3}\d[\d.,\s]*+\W{0,2}")
_NUMBERED = re.compile(r"(\d{1,3})[.)]\s")
NAMING = 2
"""Cells at the beginning of a row that may name it."""


@dataclass(frozen=True)
class Unit:
    """Something to quote. `lead` is what introduces it and is quoted with it, once.

    `block` is the paragraph, list or table that it stands in, counted from 0. `listed`: it has a
    line of its own, `row`: it is one of a table. `context` is what stands before it, and the
    headings above it.
    """

    text: str
    block: int
    lead: str = ""
    context: str = ""
    listed: bool = False
    row: bool = False


@dataclass(frozen=True)
class _Line:
    kind: str  # heading, item, row or text; empty for a blank line
    text: str


def units_of(text: str) -> list[Unit]:
    """Return the units of a text in order."""
    units: list[Unit] = []
    heading = lead = above = ""
    listed = number = 0  # of the list before: its block, the number of its last item
    for block, (kind, group) in enumerate(groupby(_lines(text), key=lambda line: line.kind)):
        lines = [line.text for line in group]
        match kind:
            case "heading":
                heading = " ".join(lines)
                lead = f"{lead} {heading}".strip()
            case "item":
                goes_on = _first_number(lines) == number + 1 > 1
                listed, above = (listed, above) if goes_on else (block, lead)
                units += [Unit(line, listed, above, heading, listed=True) for line in lines]
                number = _first_number(lines[-1:])
                lead = ""
            case "row":
                rows = _rows(lines, block, lead, heading)
                units += rows
                lead = "" if rows else lead
            case "text" if _is_row(lines):
                units += _row_units(lines, block, lead, heading)
                lead = ""
            case "text":
                found, lead = _sentences(lines, block, lead, heading)
                units += found
    return [*units, Unit(lead, -1)] if lead else units


def _first_number(lines: list[str]) -> int:
    found = _NUMBERED.match(lines[0])
    return int(found[1]) if found else 0


def _lines(text: str) -> Iterator[_Line]:
    for raw in text.splitlines():
        line = raw.strip()
        if not line:
            yield _Line("", "")
        elif heading := _HEADING.match(line):
            yield _Line("heading", line[heading.end() :].rstrip("# "))
        elif line.startswith("|") and line.endswith("|"):
            yield _Line("row", line)
        elif _ITEM.match(line):
            yield _Line("item", line)
        else:
            yield _Line("text", line)


def _rows(lines: list[str], block: int, lead: str, heading: str) -> list[Unit]:
    """Return the rows below the header, each cell with its column's name."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    has_header = len(lines) > 1 and _RULE.fullmatch(lines[1]) is not None
    names = rows[0] if has_header else []
    context = " ".join([heading, *names])
    return [
        Unit(_row(names, cells), block, lead, context, listed=True, row=True)
        for cells in rows[2 if has_header else 0 :]
    ]


def _is_row(lines: list[str]) -> bool:
    """Tell whether lines are the cells of a row: a name first, then "name: value" lines."""
    labelled = [_LABELLED.match(line) for line in lines]
    first = labelled[0]
    if len(lines) < 2 or first is None or sum(map(bool, labelled)) * 2 <= len(lines):
        return False
    return len(lines[0]) <= MOST_NAME and not _FACT.match(lines[0][first.end() :])


def _row_units(lines: list[str], block: int, lead: str, heading: str) -> list[Unit]:
    """Return the row as one unit when it is short, else each value behind the row's name."""
    if sum(map(len, lines)) <= SHORT_ROW:
        return [Unit(", ".join(lines), block, lead, heading, listed=True, row=True)]
    naming = list(takewhile(_names_a_row, lines[:NAMING]))
    name = ", ".join(_value(line) for line in naming)
    rest = lines[len(naming) :] or lines
    return [
        Unit(f"{name}, {line}" if name else line, block, lead, heading, listed=True, row=True)
        for line in rest
    ]


def _names_a_row(line: str) -> bool:
    value = _value(line)
    return len(value) <= MOST_NAME and not _PLAIN_FIGURE.fullmatch(value)


def _value(line: str) -> str:
    label = _LABELLED.match(line)
    return line[label.end() :] if label else line


def _row(names: list[str], cells: list[str]) -> str:
    named = [*names, *[""] * (len(cells) - len(names))]
    pairs = zip(named, cells, strict=False)
    return ", ".join(f"{name}: {cell}" if name else cell for name, cell in pairs if cell)


def _sentences(lines: list[str], block: int, lead: str, heading: str) -> tuple[list[Unit], str]:
    """Return the sentences of a paragraph, and the lead-in that is left at its end."""
    units: list[Unit] = []
    before = ""
    for sentence in (part for line in _unwrapped(lines) for part in split_sentences(line)):
        if sentence.endswith((":", "?", "\uff1f", "؟")):  # what follows says what it is about
            lead = f"{lead} {sentence}".strip()
            continue
        units.append(Unit(sentence, block, lead, f"{heading} {before}"))
        before, lead = sentence, ""
    return units, lead


def _unwrapped(lines: list[str]) -> list[str]:
    """Join lines that are one paragraph, cut where the page was full."""
    paragraphs: list[list[str]] = []
    length = 0
    for line in lines:
        ends = not paragraphs or paragraphs[-1][-1][-1] in ".!?:;"
        if ends or not (line[0].islower() or length > _full(line)):
            paragraphs.append([line])
            length = len(line)
        else:
            paragraphs[-1].append(line)
            length += 1 + len(line)
    return list(map(" ".join, paragraphs))


def _full(line: str) -> int:
    """Return from which length on a line before this one has run out of room."""
    has_case = line[0].islower() or line[0].isupper() or not line[0].isalpha()
    return WRAPPED if has_case else WRAPPED_WITHOUT_CASE


def split_sentences(text: str) -> list[str]:
    """Return the sentences of a line; abbreviations, decimals and addresses do not end one."""
    sentences: list[list[str]] = []
    for part in filter(None, map(str.strip, _segments(text))):
        if sentences and _ABBREVIATED.search(sentences[-1][-1][-_ABBREVIATION_WITHIN:]):
            sentences[-1].append(part)
        else:
            sentences.append([part])
    return list(map(" ".join, sentences))


def _segments(text: str) -> Iterator[str]:
    for start in range(0, len(text), MOST_AT_ONCE):
        yield from sentencex.segment("en", text[start : start + MOST_AT_ONCE])
