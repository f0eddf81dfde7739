"""Text and JSON."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from charset_normalizer import from_bytes

from services.rag.parse.section import Section, Unreadable
from services.rag.parse.table import ANSWER_NAMES, QUESTION_NAMES


def decoded(path: Path) -> str:
    """Return a file's text, in whatever encoding it is. Raises Unreadable."""
    return text_of(path.read_bytes())


def text_of(content: bytes) -> str:
    """Return the text of bytes in an unknown encoding. Raises Unreadable."""
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
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
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Unreadable(f"The file is not JSON: {error}.") from error
    entries = content if isinstance(content, list) else [content]
    for entry in entries:
        yield _entry(entry)


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
                yield from _lines(inner, f"{path}.{name}" if path else str(name))
        case list():
            for inner in value:
                yield from _lines(inner, path)
        case None:
            pass
        case _:
            yield f"{path}: {value}" if path else str(value)
