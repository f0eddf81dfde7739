"""JSON and JSON Lines: each item of a list is a section of its own."""

import json
from collections.abc import Iterator
from typing import Any

from services.rag.read.questions import asks, is_answer_name, is_question_name
from services.rag.read.section import MOST_HEADING, Section, Unreadable, heading_of
from services.rag.read.tables.table import MOST_NAMING, NAMING

MOST_DIGITS = 300
"""Of an integer in JSON that is one; a longer one stays as it is written."""


class _Several(list[Any]):
    """The values of a name that an object has more than once."""


def read_json(text: str) -> Iterator[Section]:
    """Yield each item of the lists in a document; questions with answers as such."""
    try:
        content = _loaded(text)
        yield from _sections(content, ())
    except RecursionError:
        raise Unreadable(
            "The file is not JSON that can be read: it is nested too deeply."
        ) from None


def _loaded(text: str) -> Any:
    """Return what JSON says, or the list of what JSON Lines say. Raises Unreadable."""
    try:
        return _decoded(text)
    except ValueError as error:
        line = getattr(error, "lineno", 1)
        lines = [one for one in text.split("\n") if one.strip()]
        try:
            if len(lines) > 1:
                return [_decoded(one) for one in lines]
        except ValueError:
            pass
        raise Unreadable(
            f"The file is not JSON: line {line} breaks its rules. Mend it, or save the table as "
            ".csv or .xlsx."
        ) from error


def _decoded(text: str) -> Any:
    return json.loads(text, parse_int=_integer, parse_constant=str, object_pairs_hook=_object)


def _sections(value: Any, path: tuple[str, ...], *, item: bool = False) -> Iterator[Section]:
    """Yield the items of a list, or the fields of an object and the items of the lists in it.

    An item stays whole: what is listed in it (sizes, say) is a part of it. Lists of questions are
    the exception.
    """
    match value:
        case list() if any(isinstance(one, dict | list) for one in value):
            for one in value:
                yield from _sections(one, path, item=True)
        case dict() if _asks_by_names(value):
            for question, answer in value.items():
                yield Section(question=question, answer=answer, heading=heading_of(path))
        case dict() if not _is_question(value) and _lists(value, item=item):
            lists = _lists(value, item=item)
            own = {name: one for name, one in value.items() if name not in lists}
            yield from _sections(own, path, item=True)
            named = next((str(one) for one in own.values() if isinstance(one, str)), "")
            for name in lists:
                yield from _sections(value[name], (*path, *((named,) if item else ()), name))
        case dict():
            yield from _entry(value, heading_of(path))
        case _:
            text = "\n".join(_lines(value, ""))
            if text:
                yield Section(text=text, heading=heading_of(path))


def _asks_by_names(entry: dict[str, Any]) -> bool:
    """Tell whether the names of an object are questions, and its values the answers."""
    texts = all(isinstance(one, str) and one.strip() for one in entry.values())
    return bool(entry) and texts and all(map(asks, entry))


def _lists(entry: dict[str, Any], *, item: bool) -> list[str]:
    """Return the names of the lists whose items are sections of their own."""
    return [
        name
        for name, value in entry.items()
        if _is_list_of_objects(value, item=item)
        or (not item and isinstance(value, dict) and _lists(value, item=False))
    ]


def _is_list_of_objects(value: Any, *, item: bool) -> bool:
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(one, dict) for one in value) and (
        not item or any(map(_is_question, value))
    )


def _question_names(entry: dict[str, Any]) -> tuple[str, str] | None:
    question = next((name for name in entry if is_question_name(str(name))), None)
    answer = next((name for name in entry if is_answer_name(str(name))), None)
    return (question, answer) if question and answer and question != answer else None


def _is_question(entry: dict[str, Any]) -> bool:
    return _question_names(entry) is not None


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


def _entry(entry: dict[str, Any], heading: str) -> Iterator[Section]:
    names = _question_names(entry)
    if names is not None:
        question = "\n".join(_lines(entry[names[0]], "")).strip()
        answer = list(_lines(entry[names[1]], ""))
        answer += _lines({name: one for name, one in entry.items() if name not in names}, "")
        said = "\n".join(answer).strip()
        if question and said:
            yield Section(question=question, answer=said, heading=heading)
            return
    lines = list(_lines(entry, ""))
    if lines:
        lead = [line for line in lines[:NAMING] if len(line) <= MOST_NAMING]
        yield Section(text="\n".join(lines), heading=heading, lead="\n".join(lead))


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
