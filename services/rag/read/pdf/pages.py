"""What pages of a PDF have to do with each other: sentences that go on, lines that repeat."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from services.rag.read.section import Section

REPEATED = 0.5
"""Share of the pages that have a line at their top or bottom, from which it is a running one."""
FEWEST_PAGES = 3
MOST_RUNNING = 2
"""Lines at the top and at the bottom of a page that may be running ones."""
MOST_NUMBERS = 4
"""Numbers of a line that may be that of its page."""
SENTENCE_WITHIN = 400
"""Characters within which a sentence that goes on on the next page ends there."""
FULL = 40
"""Characters of a last line that has run out of room."""
_FIGURES = re.compile(r"\d{1,9}")
_ENDS = re.compile(r"[.!?:;…][\"')\]\u201d\u2019]?$")
_GOES_ON = re.compile(r"[^\W\dA-Z_]|[\d₱$€£(,]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


def without_running_lines(sections: Sequence[Section]) -> list[Section]:
    """Return the pages with headers and footers on the first of them that has them only."""
    pages = {section.page for section in sections}
    if len(pages) < FEWEST_PAGES:
        return list(sections)
    seen: Counter[str] = Counter()
    for section in sections:
        seen.update({key for line in _edges(section.text) for key in _keys(line, section.page)})
    running = {key for key, count in seen.items() if count > REPEATED * len(pages)}
    shown: set[str] = set()
    kept: list[Section] = []
    for section in sections:
        text = _without(section, running & shown)
        shown |= {key for line in _edges(section.text) for key in _keys(line, section.page)}
        if text:
            kept.append(replace(section, text=text))
    return kept


def _edges(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:MOST_RUNNING] + lines[MOST_RUNNING:][-MOST_RUNNING:]


def _keys(line: str, page: int | None) -> set[str]:
    """Return what running lines have in common: all of it, or all but the number of the page.

    That is one of its numbers, or all of them. Any other figure makes it another line: rows of a
    list are alike as well.
    """

    def from_page(found: re.Match[str]) -> str:
        return f"#{int(found[0]) - (page or 0)}"

    bare = line.strip()
    numbers = list(_FIGURES.finditer(bare))[:MOST_NUMBERS]
    each = (f"{bare[: one.start()]}{from_page(one)}{bare[one.end() :]}" for one in numbers)
    return {bare, _FIGURES.sub(from_page, bare), *each} - {""}


def _without(section: Section, running: set[str]) -> str:
    lines = section.text.split("\n")
    for _ in range(MOST_RUNNING):
        if lines and _keys(lines[0], section.page) & running:
            lines = lines[1:]
        if lines and _keys(lines[-1], section.page) & running:
            lines = lines[:-1]
    return "\n".join(lines).strip()


def joined(sections: Sequence[Section]) -> Iterator[Section]:
    """Yield the pages, each with the end of a sentence that the next page begins with."""
    before: Section | None = None
    for section in sections:
        text = section.text
        if before is not None and _is_next(before, section) and _goes_on(before.text, text):
            end = _end_of_sentence(text)
            before = replace(before, text=f"{before.text} {text[:end].strip()}")
            text = text[end:].strip()
        if before is not None:
            yield before
        before = replace(section, text=text) if text else None
    if before is not None:
        yield before


def _is_next(before: Section, section: Section) -> bool:
    return (before.page or 0) + 1 == section.page and before.heading == section.heading


def _goes_on(before: str, after: str) -> bool:
    last = before.rsplit("\n", 1)[-1]
    return bool(len(last) >= FULL and not _ENDS.search(last) and _GOES_ON.match(after))


def _end_of_sentence(text: str) -> int:
    found = _SENTENCE_END.search(text[:SENTENCE_WITHIN])
    return found.end() if found else len(text.partition("\n")[0])
