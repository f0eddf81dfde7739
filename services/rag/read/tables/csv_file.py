"""CSV files, in the dialect of whatever program wrote them."""

import csv
import io
import re
from collections.abc import Iterator

import clevercsv

from libs.contracts.sources import Note
from services.rag.read.section import Section, Unreadable
from services.rag.read.tables.table import sections_of_grid

SNIFFED = 2_048
"""Characters from which the delimiter is found out: it takes the square of them."""
DELIMITERS = ",;\t|"
LONGEST_CELL = 1_000_000
"""Characters."""
_DECLARED = re.compile(r"sep=(.)\r?\n?")
"""What Excel writes in front when the delimiter is not the one of its language."""

csv.field_size_limit(LONGEST_CELL)


def read_csv(text: str) -> Iterator[Section | Note]:
    """Yield the rows of a CSV file; its delimiter is found out. Raises Unreadable."""
    lines = io.StringIO(text, newline=None).read()  # every kind of line end is one
    declared = _DECLARED.match(lines)
    if declared:
        lines = lines[declared.end() :]
    delimiter = declared[1] if declared else _delimiter(lines[:SNIFFED])
    try:
        rows = list(csv.reader(io.StringIO(lines), delimiter=delimiter, doublequote=True))
    except csv.Error as error:
        raise Unreadable(
            f"A cell of the CSV file has more than {LONGEST_CELL:,} characters; perhaps a "
            "quotation mark is missing. Mend it, or save the table as .xlsx."
        ) from error
    yield from sections_of_grid(rows)


def _delimiter(sample: str) -> str:
    try:
        found = clevercsv.Sniffer().sniff(sample, delimiters=DELIMITERS)
    except clevercsv.Error:
        return ","
    return (found and found.delimiter) or ","
