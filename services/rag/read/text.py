"""Text, in whatever encoding it is."""

import codecs
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from charset_normalizer import from_bytes

from services.rag.read.code_pages import code_page_of
from services.rag.read.section import Section, Unreadable, clean

MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # begins as UTF-16 does, so it is looked for first
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
SAMPLED = 4_096
"""Bytes from which UTF-16 without a mark is told."""
WIDE = 0.6
"""Share of every other byte that is NUL in it, at least."""
FEW_BYTES = 16
ALIKE = 0.85
"""Share of every other byte that has one of two values in UTF-16 of any alphabet."""
CONTROLS = "".join(map(chr, set(range(32)) - set(b"\t\n\v\f\r\x1b")))
BINARY = 0.02
"""Share of control characters from which a file is no text."""
FEW = 10
"""Control characters that any text may have."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def decoded(path: Path) -> str:
    """Return a file's text, in whatever encoding it is. Raises Unreadable."""
    return text_of(path.read_bytes())


def text_of(content: bytes) -> str:
    """Return the text of bytes in an unknown encoding. Raises Unreadable."""
    for mark, encoding in MARKS:
        if content.startswith(mark):
            return clean(content.decode(encoding, "replace"))
    wide = _without_mark(content)
    return clean(_checked(content.decode(wide, "replace") if wide else _narrow(content)))


def _without_mark(content: bytes) -> str | None:
    """Name the encoding of UTF-16 that does not say so: every other byte of most texts is NUL."""
    start = content[:SAMPLED]
    least = len(start) * WIDE / 2
    for encoding, nulls, others in (
        ("utf-16-le", start[1::2], start[::2]),
        ("utf-16-be", start[::2], start[1::2]),
    ):
        if nulls.count(0) > least and others.count(0) < least / 2:
            return encoding
        few = _few_values(nulls) >= ALIKE > _few_values(others) + ALIKE / 4
        # Without a space or a line's end in UTF-16, it is cells of one letter each: "1,2,3".
        if len(start) > FEW_BYTES and 0 in start and few:
            return encoding
    return None


def _few_values(content: bytes) -> float:
    """Return which share of bytes the two commonest are: of the upper halves, nearly all."""
    if not content:
        return 0.0
    return sum(count for _, count in Counter(content).most_common(2)) / len(content)


def _checked(text: str) -> str:
    """Return what is text, with some odd characters perhaps. Raises Unreadable."""
    if sum(map(text.count, CONTROLS)) > max(FEW, BINARY * len(text)):
        raise Unreadable("The file is not text, whatever its name says.")
    return text


def _narrow(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        lenient = content.decode("utf-8", "replace")
    bad = lenient.count("\ufffd")
    if len(_NOT_ASCII.findall(lenient)) > 2 * bad:  # those that are right are no coincidence
        return lenient
    code_page = code_page_of(content)
    if code_page is not None:
        return content.decode(code_page, "replace")
    guess = from_bytes(content).best()
    if guess is None:
        raise Unreadable("The file is not text. Save it as UTF-8, and upload it again.")
    return str(guess)


def read_text(text: str) -> Iterator[Section]:
    """Yield a text as it is."""
    yield Section(text=text.strip())
