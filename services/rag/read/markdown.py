"""CommonMark with tables, and with whatever HTML stands in it."""

import re
from collections.abc import Iterator

from markdown_it import MarkdownIt

from services.rag.read.html.sections import sections_of_tree
from services.rag.read.html.tree import tree_of, without_asides
from services.rag.read.section import Section

_parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
_FENCES = ("---", "+++")
"""What begins and ends the fields that stand in front of a text, in YAML and in TOML."""
_FIELD = re.compile(r"[\w-]+\s*[:=]")


def read_markdown(text: str) -> Iterator[Section]:
    """Yield what is below each heading, with the path of headings to it."""
    fields, rest = _front_matter(text)
    if fields:
        yield Section(text=fields)
    tree = tree_of(_parser.render(rest))
    if tree is not None:
        without_asides(tree, menus=False)
        yield from sections_of_tree(tree)


def _front_matter(text: str) -> tuple[str, str]:
    """Return the fields in front of a text, and the text."""
    lines = text.splitlines()
    if not lines or lines[0].strip() not in _FENCES:
        return "", text
    end = next((at for at, one in enumerate(lines[1:], 1) if one.strip() == lines[0].strip()), 0)
    if not end or not _FIELD.match(lines[1].lstrip()):
        return "", text
    return "\n".join(lines[1:end]).strip(), "\n".join(lines[end + 1 :])
