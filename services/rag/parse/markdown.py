"""CommonMark with tables, cut at its headings."""

from collections.abc import Iterator
from itertools import pairwise

from markdown_it import MarkdownIt

from services.rag.parse.section import Section, heading_of

_parser = MarkdownIt("commonmark", {"html": False}).enable("table")


def sections_of(text: str) -> Iterator[Section]:
    """Yield what is below each heading, with the path of headings to it."""
    lines = text.splitlines()
    path: list[tuple[int, str]] = []
    begin = 0
    for level, title, first, after in _headings(text):
        yield from _section(lines[begin:first], path)
        path = [(depth, name) for depth, name in path if depth < level] + [(level, title)]
        begin = after
    yield from _section(lines[begin:], path)


def _headings(text: str) -> Iterator[tuple[int, str, int, int]]:
    """Yield level, title, first line and the line after it of each heading outside of lists."""
    tokens = _parser.parse(text)
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open" and opening.level == 0 and opening.map:
            first, after = opening.map
            yield int(opening.tag[1:]), content.content.strip(), first, after


def _section(lines: list[str], path: list[tuple[int, str]]) -> Iterator[Section]:
    text = "\n".join(lines).strip()
    if text:
        yield Section(text=text, heading=heading_of(name for _, name in path))
