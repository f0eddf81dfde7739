"""The text of one page of a PDF, in the order in which a person reads it.

A page says where its letters are, not what belongs together. pdfium's order is that in which they
were drawn, which is right for most pages. It is not where rows and columns are meant: columns that
were drawn line by line, labels that were all drawn before their values.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]  # it has no stubs

MOST_RECTANGLES = 3_000
"""Pieces of lines of a page that are looked at for rows and columns."""
ROWS = 0.5
"""Share of a page's lines that have two parts, from which the page has rows or columns."""
REGULAR = 0.7
"""Share of a page's rows that have as many parts as most have, from which it is a table."""
FEWEST_ROWS = 3
PROSE = 22
"""Characters of the parts of a line, in the middle, from which they are columns of prose."""
APART = 0.6
"""Space between two parts of a line, in heights of it, from which they are two."""
BESIDE = 0.01
"""Points between a line and the end of a part of its page."""
_KEPT_HYPHEN = re.compile(r"(?<=[A-Z0-9])\x02(?=[A-Z0-9])")
_BROKEN_WORD = re.compile(r"(?<=[^\W\d_])[\u2010\u00ad]\s*\n\s*(?=[a-zà-öø-ÿ])")
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\u00ad\ufffe\uffff]")
COMMON = frozenset("eaointrs")
"""Letters that make up most of a text in Latin letters."""
GARBLED = 0.4
"""Their share of the letters, below which these are not those that are drawn."""
_LATIN = re.compile(r"[a-z]")
_LAM_ALEF = re.compile("[اأإآ]ل")


@dataclass(frozen=True)
class TextLine:
    """A line, or a part of one, and where it is on its page, in points from the bottom left."""

    text: str
    left: float
    bottom: float
    right: float
    top: float

    @property
    def middle(self) -> float:
        """How far up the page it is."""
        return (self.bottom + self.top) / 2

    @property
    def height(self) -> float:
        """How high its letters are."""
        return self.top - self.bottom


@dataclass(frozen=True)
class Band:
    """What of a page is between two heights, in points from its bottom; None is its end."""

    bottom: float | None = None
    top: float | None = None

    def has(self, height: float) -> bool:
        """Tell whether something at a height is within it."""
        above = self.bottom is None or height > self.bottom
        return above and (self.top is None or height <= self.top)


WHOLE = Band()


def bands(textpage: Any, heights: Sequence[float]) -> list[Band]:
    """Return what is above all of these heights, which fall, and below each; no line is cut."""
    parts = _parts(textpage)
    edges = [None, *(_beside_lines(parts, height) for height in heights), None]
    return [Band(bottom, top) for top, bottom in pairwise(edges)]


def text_of(textpage: Any, band: Band = WHOLE) -> str:
    """Return the text of a page, or of a part of it."""
    drawn = str(textpage.get_text_bounded(bottom=band.bottom, top=band.top))
    rows = list(_rows([part for part in _parts(textpage) if band.has(part.middle)]))
    if _is_table(rows):
        return mended("\n".join(map(_row_text, rows)))
    if not _has_rows(rows):
        return mended(_in_order(drawn, textpage, band))
    if _are_columns(rows):
        return mended("\n".join(part.text for part in _by_column(rows)))
    return mended("\n".join(map(_row_text, rows)))


def is_garbled(text: str) -> bool:
    """Tell whether a text whose fonts name no letters was guessed wrong.

    Such a font numbers its glyphs: the third is the space, and the common letters are others.
    """
    letters = _LATIN.findall(text.lower())
    common = sum(letter in COMMON for letter in letters)
    return "\x03" in text or (bool(letters) and common < GARBLED * len(letters))


def mended(text: str) -> str:
    """Return a text without what a page is made up with: hyphens at ends of lines, controls."""
    text = text.replace("\r\n", "\n")
    text = _KEPT_HYPHEN.sub("-", text).replace("\x02", "")
    return _CONTROL.sub("", _BROKEN_WORD.sub("", text)).strip()


def _parts(textpage: Any) -> list[TextLine]:
    count = textpage.count_rects()
    if count > MOST_RECTANGLES:
        return []
    found = []
    for at in range(count):
        left, bottom, right, top = textpage.get_rect(at)
        text = str(textpage.get_text_bounded(left, bottom, right, top)).strip()
        if text:
            found.append(TextLine(text, left, bottom, right, top))
    return found


def _beside_lines(parts: Sequence[TextLine], height: float) -> float:
    """Return a height that goes through no line, as near to another as can be."""
    through = [part for part in parts if part.bottom <= height <= part.top]
    below = [part.top for part in through if part.middle <= height]
    if below:
        return max(below) + BESIDE
    return min([part.bottom - BESIDE for part in through], default=height)


def _rows(parts: Sequence[TextLine]) -> Iterator[list[TextLine]]:
    """Yield the parts that stand beside each other, from the top, each row from the left."""
    row: list[TextLine] = []
    for part in sorted(parts, key=lambda part: -part.middle):
        if row and abs(row[0].middle - part.middle) > row[0].height / 2:
            yield sorted(row, key=lambda one: one.left)
            row = []
        row.append(part)
    if row:
        yield sorted(row, key=lambda one: one.left)


def _row_text(row: Sequence[TextLine]) -> str:
    """Return the parts of a row in one line: two spaces between cells, one between words."""
    text = row[0].text
    for before, part in pairwise(row):
        text += ("  " if _are_apart(before, part) else " ") + part.text
    return text


def _has_rows(rows: Sequence[list[TextLine]]) -> bool:
    """Tell whether a page is in two parts, side by side, which were not drawn as a table is."""
    divided = [row for row in rows if _is_divided(row)]
    if len(divided) < FEWEST_ROWS or len(divided) < ROWS * len(rows):
        return False
    begin = sorted(row[1].left for row in divided)[len(divided) // 2]
    return all(row[0].right <= begin for row in divided)


def _is_table(rows: Sequence[list[TextLine]]) -> bool:
    """Tell whether most rows have the same number of short parts: cells, of one line each.

    A table whose cells have several lines has no such rows; it is read as it was drawn.
    """
    if len(rows) < FEWEST_ROWS:
        return False
    cells, count = Counter(map(len, rows)).most_common(1)[0]
    lengths = sorted(len(part.text) for row in rows if len(row) == cells for part in row)
    return cells > 2 and count >= REGULAR * len(rows) and lengths[len(lengths) // 2] < PROSE


def _is_divided(row: list[TextLine]) -> bool:
    return len(row) == 2 and _are_apart(row[0], row[1])


def _are_apart(left: TextLine, right: TextLine) -> bool:
    return right.left - left.right > APART * left.height


def _are_columns(rows: Sequence[list[TextLine]]) -> bool:
    """Tell whether the parts are lines of prose, not names and figures."""
    lengths = sorted(len(part.text) for row in rows if len(row) == 2 for part in row)
    return lengths[len(lengths) // 2] >= PROSE


def _by_column(rows: Sequence[list[TextLine]]) -> Iterator[TextLine]:
    """Yield the left parts, then the right ones; what stands across both ends a column."""
    right: list[TextLine] = []
    for row in rows:
        if len(row) == 2:
            yield row[0]
            right.append(row[1])
        else:
            yield from right
            right = []
            yield from row
    yield from right


def _in_order(drawn: str, textpage: Any, band: Band) -> str:
    """Return a text with the two letters of each lam-alef in their order.

    It is one glyph; pdfium writes its two letters from the left, in a line from the right.
    """
    found = list(_LAM_ALEF.finditer(drawn))
    if not found:
        return drawn
    glyphs = _lam_alefs(textpage, band)
    if len(glyphs) != len(found):
        return drawn
    text = list(drawn)
    for match, is_one_glyph in zip(found, glyphs, strict=True):
        if is_one_glyph:
            at = match.start()
            text[at], text[at + 1] = text[at + 1], text[at]
    return "".join(text)


def _lam_alefs(textpage: Any, band: Band) -> list[bool]:
    """Tell of each alef before a lam whether both are one glyph: they have one place."""
    count = textpage.count_chars()
    letters = "".join(chr(pdfium_c.FPDFText_GetUnicode(textpage, at)) for at in range(count))
    boxes = [
        (textpage.get_charbox(found.start()), textpage.get_charbox(found.start() + 1))
        for found in _LAM_ALEF.finditer(letters)
    ]
    return [alef == lam for alef, lam in boxes if band.has((alef[1] + alef[3]) / 2)]
