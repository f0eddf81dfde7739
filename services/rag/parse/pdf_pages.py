"""What pages of a PDF have to do with each other: sentences that go on, lines that repeat."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from services.rag.parse.section import Section

REPEATED = 0.5
"""Share of the pages that have a line at their top or bottom, from which it is a running one."""
FEWEST_PAGES = 3
MOST_RUNNING = 2
"""Lines at the top and at the bottom of a page that may be running ones."""
SENTENCE_WITHIN = 400
"""Characters within which a sentence that goes on on the next page ends there."""
FULL = 40
"""Characters of a last line that has run out of room."""
_FIGURES = re.compile(r"\d+")
_ENDS = re.compile(r"[.!?:;…][\"')\]\u201d\u2019]?$")
_GOES_ON = re.compile(r"[^\W\dA-Z_]|[\d₱$€£(,]")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


def without_running_lines(sections: Sequence[Section]) -> list[Section]:
    """Return the pages with headers and footers on the first of them that has them only."""
    pages = {section.page for section in sections}
    if len(pages) < FEWEST_PAGES:
        return list(sections)
    seen = Counter(
        line for section in sections for line in {_bare(one) for one in _edges(section.text)}
    )
    running = {line for line, count in seen.items() if line and count > REPEATED * len(pages)}
    shown: set[str] = set()
    kept: list[Section] = []
    for section in sections:
        text = _without(section.text, running & shown)
        shown |= {_bare(one) for one in _edges(section.text)} & running
        if text:
            kept.append(replace(section, text=text))
    return kept


def _edges(text: str) -> list[str]:
    lines = text.split("\n")
    return lines[:MOST_RUNNING] + lines[MOST_RUNNING:][-MOST_RUNNING:]


def _bare(line: str) -> str:
    """Return a line as it is compared: page numbers differ."""
    return _FIGURES.sub("#", line).strip()


def _without(text: str, running: set[str]) -> str:
    lines = text.split("\n")
    for _ in range(MOST_RUNNING):
        if lines and _bare(lines[0]) in running:
            lines = lines[1:]
        if lines and _bare(lines[-1]) in running:
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
