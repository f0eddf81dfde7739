"""Text and JSON."""

import codecs
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes

from services.rag.parse.section import MOST_HEADING, Section, Unreadable, clean
from services.rag.parse.table import ANSWER_NAMES, QUESTION_NAMES

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
CONTROLS = "".join(map(chr, set(range(32)) - set(b"\t\n\v\f\r\x1b")))
BINARY = 0.02
"""Share of control characters from which a file is no text."""
FEW = 10
"""Control characters that any text may have."""
MOST_DIGITS = 300
"""Of an integer in JSON that is one; a longer one stays as it is written."""
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


class _Several(list[Any]):
    """The values of a name that an object has more than once."""


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
    return None


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
    guesses = from_bytes(content)
    # Windows' own for the languages of this region is often as likely as another, and then right.
    likely = next((guess for guess in guesses if "cp1252" in guess.could_be_from_charset), None)
    guess = likely or guesses.best()
    if guess is None:
        raise Unreadable("The file is not text.")
    return content.decode("cp1252") if likely else str(guess)


def read_text(text: str) -> Iterator[Section]:
    """Yield a text as it is."""
    yield Section(text=text.strip())


def read_json(text: str) -> Iterator[Section]:
    """Yield each entry of a list, or of an object; questions with answers as such."""
    try:
        content = json.loads(
            text, parse_int=_integer, parse_constant=str, object_pairs_hook=_object
        )
        entries = content if isinstance(content, list) else [content]
        for entry in entries:
            yield _entry(entry)
    except RecursionError:
        raise Unreadable(
            "The file is not JSON that can be read: it is nested too deeply."
        ) from None
    except ValueError as error:
        raise Unreadable(f"The file is not JSON: {error}.") from error


def _integer(literal: str) -> int | str:
    return int(literal) if len(literal) <= MOST_DIGITS else literal


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name not in found:
            found[name] = value
        elif isinstance(found[name], _Several):
            found[name].append(value)
        else:
            found[name] = _Several([found[name], value])
    return found


def _entry(entry: Any) -> Section:
    if isinstance(entry, dict):
        by_name = {str(name).lower(): value for name, value in entry.items()}
        question = _first(by_name, QUESTION_NAMES)
        answer = _first(by_name, ANSWER_NAMES)
        if question and answer:
            return Section(question=question, answer=answer)
    return Section(text="\n".join(_lines(entry, "")))


def _first(by_name: dict[str, Any], names: frozenset[str]) -> str:
    found = (value for name, value in by_name.items() if name in names and isinstance(value, str))
    return next(found, "").strip()


def _lines(value: Any, path: str) -> Iterator[str]:
    """Yield "path: value" for each value in a tree."""
    match value:
        case dict():
            for name, inner in value.items():
                below = f"{path}.{name}" if path else str(name)
                yield from _lines(inner, below[:MOST_HEADING])
        case list():
            for inner in value:
                yield from _lines(inner, path)
        case None:
            pass
        case _:
            yield f"{path}: {value}" if path else str(value)
