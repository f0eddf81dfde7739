"""The numbers that Word puts in front of paragraphs: they are nowhere in the text."""

import re
from dataclasses import dataclass
from typing import Any

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_PLACE = re.compile(r"%([1-9])")
_ROMAN = (
    *((1000, "m"), (900, "cm"), (500, "d"), (400, "cd"), (100, "c"), (90, "xc"), (50, "l")),
    *((40, "xl"), (10, "x"), (9, "ix"), (5, "v"), (4, "iv"), (1, "i")),
)
MOST_STYLES = 20
"""Styles that one may be based on, one behind the other."""


@dataclass(frozen=True)
class _Level:
    start: int
    format: str
    text: str


class Numbering:
    """Counts the paragraphs of each list, as Word does."""

    def __init__(self, numbering: Any, styles: Any) -> None:
        """Take word/numbering.xml and word/styles.xml, None where a document has none."""
        self._lists: dict[str, str] = {}
        self._levels: dict[str, dict[int, _Level]] = {}
        self._starts: dict[tuple[str, int], int] = {}
        self._styles: dict[str, tuple[str, int]] = {}
        self._counts: dict[str, dict[int, int]] = {}
        self._restarted: set[tuple[str, int]] = set()
        if numbering is not None:
            self._read(numbering)
        if styles is not None:
            self._read_styles(styles)

    def next(self, paragraph: Any) -> str:
        """Return the number of the next paragraph, empty when it has none (or only a bullet)."""
        place = self._place(paragraph)
        if place is None:
            return ""
        number, at = place
        abstract = self._lists.get(number, "")
        level = self._levels.get(abstract, {}).get(at)
        if level is None:
            return ""
        counts = self._counts.setdefault(abstract, {})
        start = self._starts.get((number, at))
        if start is not None and (number, at) not in self._restarted:
            self._restarted.add((number, at))
            counts[at] = start
        else:
            counts[at] = counts[at] + 1 if at in counts else level.start
        for below in [one for one in counts if one > at]:
            del counts[below]
        if level.format in {"bullet", "none"}:
            # A heading in a list is asked for by its number ("rule 2"), whatever mark it has.
            return f"{counts[at]}." if is_heading(paragraph) else ""
        return _PLACE.sub(
            lambda found: self._shown(abstract, int(found[1]) - 1, counts), level.text
        )

    def _shown(self, abstract: str, at: int, counts: dict[int, int]) -> str:
        level = self._levels[abstract].get(at)
        if level is None:
            return ""
        return _formatted(counts.get(at, level.start), level.format)

    def _place(self, paragraph: Any) -> tuple[str, int] | None:
        """Return the list and the level of a paragraph: its own, else its style's."""
        properties = paragraph.find(f"{W}pPr")
        if properties is None:
            return None
        own = _list_of(properties)
        style = properties.find(f"{W}pStyle")
        by_style = self._styles.get(style.get(f"{W}val")) if style is not None else None
        if own is None:
            return by_style
        number, level = own
        if number == "0":  # the style's number is taken off
            return None
        if number is None:
            return (by_style[0], level or 0) if by_style else None
        return number, level if level is not None else (by_style[1] if by_style else 0)

    def _read(self, tree: Any) -> None:
        for abstract in tree.iter(f"{W}abstractNum"):
            levels = {_number(one, "ilvl"): _level(one) for one in abstract.iter(f"{W}lvl")}
            self._levels[abstract.get(f"{W}abstractNumId")] = levels
        for number in tree.iter(f"{W}num"):
            name = number.get(f"{W}numId")
            abstract = number.find(f"{W}abstractNumId")
            if name is None or abstract is None:
                continue
            self._lists[name] = abstract.get(f"{W}val")
            for override in number.iter(f"{W}lvlOverride"):
                start = override.find(f"{W}startOverride")
                if start is not None:
                    self._starts[name, _number(override, "ilvl")] = _number(start, "val")

    def _read_styles(self, tree: Any) -> None:
        based: dict[str, str] = {}
        for style in tree.iter(f"{W}style"):
            name = style.get(f"{W}styleId") or ""
            base = style.find(f"{W}basedOn")
            if base is not None:
                based[name] = base.get(f"{W}val")
            properties = style.find(f"{W}pPr")
            own = _list_of(properties) if properties is not None else None
            if own is not None and own[0] not in {None, "0"}:
                self._styles[name] = (str(own[0]), own[1] or 0)
        for name in list(based):
            base_name = name
            for _ in range(MOST_STYLES):
                if base_name in self._styles:
                    self._styles.setdefault(name, self._styles[base_name])
                    break
                base_name = based.get(base_name, "")


def is_heading(paragraph: Any) -> bool:
    """Tell whether a paragraph is a heading by its style."""
    style = paragraph.find(f"{W}pPr/{W}pStyle")
    return style is not None and (style.get(f"{W}val") or "").lower().startswith("heading")


def _list_of(properties: Any) -> tuple[str | None, int | None] | None:
    found = properties.find(f"{W}numPr")
    if found is None:
        return None
    number, level = found.find(f"{W}numId"), found.find(f"{W}ilvl")
    return (
        number.get(f"{W}val") if number is not None else None,
        _number(level, "val") if level is not None else None,
    )


def _level(element: Any) -> _Level:
    start, form, text = (element.find(f"{W}{name}") for name in ("start", "numFmt", "lvlText"))
    return _Level(
        start=_number(start, "val") if start is not None else 1,
        format=form.get(f"{W}val") if form is not None else "decimal",
        text=(text.get(f"{W}val") or "") if text is not None else "",
    )


def _number(element: Any, name: str) -> int:
    value = element.get(f"{W}{name}") or "0"
    return int(value) if value.lstrip("-").isdigit() else 0


def _formatted(number: int, form: str) -> str:
    match form:
        case "lowerLetter":
            return _letter(number)
        case "upperLetter":
            return _letter(number).upper()
        case "lowerRoman":
            return _roman(number)
        case "upperRoman":
            return _roman(number).upper()
        case "decimalZero":
            return f"{number:02d}"
        case _:
            return str(number)


def _letter(number: int) -> str:
    """Return a to z, then aa, bb and so on."""
    turn, at = divmod(max(1, number) - 1, 26)
    return chr(ord("a") + at) * (turn + 1)


def _roman(number: int) -> str:
    text = ""
    for value, letters in _ROMAN:
        count, number = divmod(number, value)
        text += letters * count
    return text
