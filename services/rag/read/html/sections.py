"""From a tree of HTML to sections: what stands below each heading, and questions with answers.

Web pages, Word documents and Markdown all come this way. Text stays as it is written; lists have
a line for each item, tables a line for each row.
"""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from lxml.html import HtmlElement  # type: ignore[import-untyped]  # it has no stubs

from services.rag.read.html.table import grid_of, is_headed, is_layout
from services.rag.read.html.tree import opened_by
from services.rag.read.questions import asks, question_columns
from services.rag.read.section import LINKED, Section, heading_of
from services.rag.read.tables.table import questions_of, table_of

BLOCKS = frozenset(
    {
        *("address", "article", "aside", "blockquote", "body", "center", "dd", "details", "div"),
        *("dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4"),
        *("h5", "h6", "header", "hr", "html", "legend", "li", "main", "ol", "p", "pre", "section"),
        *("summary", "table", "tbody", "td", "tfoot", "th", "thead", "tr", "ul"),
    }
)
SKIPPED = frozenset(
    {
        *("select", "textarea", "audio", "video", "math", "option", "datalist"),
        *("s", "strike", "del"),  # what holds no more: an old price, say
    }
)
HEADINGS = {f"h{level}": level for level in range(1, 7)}
MOST_TARGET = 300
"""Characters of the address of a link that is kept."""
BACK = frozenset({"↑", "↩", "↩︎", "^"})
"""What leads from a footnote back to its place."""
FEWEST_FIGURES = 5
"""Of a number that is shown as it is called."""
FEWEST_CARDS = 3
MOST_CARD = 300
"""Characters of one of several things that are shown beside each other, a product, say."""
_WHITE = re.compile(r"[ \t\r\n\f]+")
_APART = re.compile(r"[^\W\d_]\d|[a-z][A-Z]")
_SPACES = re.compile(r"[^\S\n]+")
_LINES = re.compile(r" ?\n ?")
_NO_FIGURE = re.compile(r"\D")
_INVISIBLE = re.compile("[\u00ad\u200b-\u200d\u2060\ufeff]")
_RAISED = str.maketrans("0123456789+-()n", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ")
_LOWERED = str.maketrans("0123456789+-()", "₀₁₂₃₄₅₆₇₈₉₊₋₍₎")
_SHORT_SCRIPT = re.compile(r"[0-9+()n-]{1,4}")


def sections_of_tree(root: HtmlElement, base: str = "") -> Iterator[Section]:
    """Yield the sections of a tree in order. `base` is what relative links start from."""
    writer = _Writer(base)
    writer.walk(root)
    yield from writer.finished()


def text_of(element: HtmlElement, base: str = "") -> str:
    """Return all text of an element, its blocks on lines of their own."""
    writer = _Writer(base)
    writer.walk(element)
    parts = (f"{one.heading}\n{one.text}{one.question}\n{one.answer}" for one in writer.finished())
    return "\n".join(part.strip() for part in parts)


class _Writer:
    """Walks through a tree and puts its text below its headings."""

    def __init__(self, base: str) -> None:
        self._base = base
        self._sections: list[Section] = []
        self._path: list[tuple[int, str]] = []
        self._blocks: list[str] = []
        self._line = ""
        self._used: set[HtmlElement] = set()
        self._bare = False  # nothing has come below the last heading yet

    def finished(self) -> list[Section]:
        """Return what there is by now."""
        self._close()
        self._end_heading(1)
        return self._sections

    def walk(self, element: HtmlElement) -> None:
        """Take up an element and all that is in it."""
        known = isinstance(element.tag, str) and element.tag not in SKIPPED
        if known and element not in self._used and not self._opens(element):
            self._take(element, element.tag)

    def _take(self, element: HtmlElement, tag: str) -> None:
        if tag in HEADINGS:
            self._heading(HEADINGS[tag], str(element.text_content()))
        elif tag == "table":
            self._table(element)
        elif tag in {"ul", "ol"}:
            self._list(element)
        elif tag == "dl":
            self._definitions(element)
        elif tag == "pre":
            self._block(element.text_content().strip("\n"))
        elif tag not in BLOCKS:
            self._inline(element)
        elif not self._shows_cards(element):
            self._break()
            self._inside(element)
            self._break()

    def _inside(self, element: HtmlElement) -> None:
        self._line += _flat(element.text)
        for child in element:
            self.walk(child)
            self._line += _flat(child.tail)

    def _inline(self, element: HtmlElement) -> None:
        if any(one.tag in BLOCKS for one in element.iterdescendants() if isinstance(one.tag, str)):
            self._inside(element)
        else:
            text = _inline_of(element, self._base)
            if element.tag == "span" and _APART.search(f"{self._line[-1:]}{text[:1]}"):
                self._line += " "  # two pieces that a style sheet sets apart
            self._line += text

    def _break(self) -> None:
        text = tidy(self._line)
        self._line = ""
        if text:
            self._block(text)

    def _block(self, text: str) -> None:
        if self._line.strip():
            self._break()
        if text.strip():
            self._blocks.append(text)

    def _heading(self, level: int, title: str) -> None:
        self._close()
        title = tidy(title).replace("\n", " ")
        if not title:
            return
        self._end_heading(level)
        self._path = [one for one in self._path if one[0] < level] + [(level, title)]
        self._bare = True

    def _end_heading(self, level: int) -> None:
        """Keep a heading that nothing stands below as the text that it is."""
        if self._bare and self._path and level <= self._path[-1][0]:
            above = heading_of(name for _, name in self._path[:-1])
            self._sections.append(Section(text=self._path[-1][1], heading=above))
        self._bare = False

    def _close(self) -> None:
        self._break()
        text = "\n\n".join(self._blocks)
        self._blocks = []
        if text:
            self._add(Section(text=text, heading=self._above()))

    def _add(self, section: Section) -> None:
        self._sections.append(section)
        self._bare = False

    def _above(self) -> str:
        return heading_of(name for _, name in self._path)

    def _opens(self, element: HtmlElement) -> bool:
        """Take up what opens a folded part, with that part; False when it is none."""
        if element.tag == "details":
            opener = next(iter(element.iterchildren("summary")), None)
            panel: HtmlElement | None = element
        elif element.tag in {"button", "a", "div", "span", *HEADINGS}:
            opener = element if element.tag not in HEADINGS else _button_in(element)
            if opener is None or not _can_open(opener):
                return False
            panel = opened_by(opener)
        else:
            return False
        if opener is None or panel is None:
            return False
        self._unfold(opener, panel)
        return True

    def _unfold(self, opener: HtmlElement, panel: HtmlElement) -> None:
        title = tidy(_inline(opener, self._base)).replace("\n", " ")
        self._used.add(opener)
        answer = _text_of_others(panel, opener, self._base)
        self._used.add(panel)
        if not title or not answer:
            self._block(title or answer)
        elif asks(title):
            self._close()
            self._add(Section(question=title, answer=answer, heading=self._above()))
        else:
            self._close()
            self._add(Section(text=answer, heading=heading_of((self._above(), title))))

    def _shows_cards(self, element: HtmlElement) -> bool:
        """Take up things of one kind beside each other, each on a line of its own."""
        cards = [one for one in element if isinstance(one.tag, str)]
        if element.tag not in {"div", "section"} or len(cards) < FEWEST_CARDS:
            return False
        if len({(one.tag, one.get("class")) for one in cards}) != 1 or not cards[0].get("class"):
            return False
        texts = [_card(one) for one in cards]
        if not all(" | " in text and len(text) <= MOST_CARD for text in texts):
            return False
        self._break()
        self._block("\n".join(f"- {text.replace(' | ', ', ')}" for text in texts))
        return True

    def _list(self, element: HtmlElement) -> None:
        self._block("\n".join(_items(element, self._base, "")))

    def _definitions(self, element: HtmlElement) -> None:
        asked = ""
        said: list[str] = []
        for child in [*element.iter("dt", "dd"), None]:
            if child is None or child.tag == "dt":
                self._define(asked, said)
                asked, said = (tidy(_inline(child, self._base)) if child is not None else ""), []
            else:
                said.append(text_of(child, self._base))

    def _define(self, name: str, said: list[str]) -> None:
        text = "\n".join(filter(None, said))
        if asks(name) and text:
            self._close()
            self._add(Section(question=name, answer=text, heading=self._above()))
        elif name or text:
            self._block(f"{name}: {text}" if name and text else name or text)

    def _table(self, element: HtmlElement) -> None:
        self._break()
        if is_layout(element):
            self._inside_cells(element)
            return
        for caption in element.iterchildren("caption"):
            self._block(text_of(caption, self._base))
        rows = grid_of(element, lambda cell: text_of(cell, self._base))
        table = table_of(rows, headed=is_headed(element))
        if table is None:
            self._block("\n".join(" ".join(filter(None, row)) for row in rows))
        elif question_columns(table.names, [cells for _, cells in table.rows]) is not None:
            self._close()
            for found in questions_of(table, self._above()):
                self._add(found)
        else:
            self._block(table.as_markdown())

    def _inside_cells(self, element: HtmlElement) -> None:
        for cell in element.iter("td", "th"):
            if next(cell.iterancestors("table"), None) is element:
                self._inside(cell)
                self._break()


def tidy(text: str) -> str:
    """Return a text as a browser shows it: white space as one space, nothing invisible."""
    return _LINES.sub("\n", _SPACES.sub(" ", _INVISIBLE.sub("", text))).strip()


def _text_of_others(panel: HtmlElement, opener: HtmlElement, base: str) -> str:
    """Return the text of a panel without that of what opens it, which may stand in it."""
    if opener not in panel.iterdescendants():
        return text_of(panel, base)
    parts = [
        text_of(child, base) + " " + (child.tail or "") for child in panel if child is not opener
    ]
    return tidy("\n".join([panel.text or "", opener.tail or "", *parts]))


def _can_open(element: HtmlElement) -> bool:
    return (
        element.tag == "button"
        or element.get("aria-controls") is not None
        or element.get("aria-expanded") is not None
    )


def _button_in(heading: HtmlElement) -> HtmlElement | None:
    return next(iter(heading.iter("button")), None)


def _items(element: HtmlElement, base: str, indent: str) -> Iterator[str]:
    start = element.get("start") or "1"
    number = int(start) if start.isascii() and start.isdigit() and len(start) < 6 else 1
    for item in element.iterchildren():
        if item.tag in {"ul", "ol"}:
            yield from _items(item, base, f"{indent}  ")
            continue
        if item.tag != "li":
            continue
        mark = f"{number}." if element.tag == "ol" else "-"
        # A list within an item has lines of its own, unless the item goes on behind it.
        inner = [one for one in item.iterchildren("ul", "ol") if not (one.tail or "").strip()]
        for one in inner:
            item.remove(one)
        text = tidy(text_of(item, base)).replace("\n", " ")
        if text:
            yield f"{indent}{mark} {text}"
            number += 1
        for one in inner:
            yield from _items(one, base, f"{indent}  ")


def _card(element: HtmlElement) -> str:
    pieces = [tidy(one) for one in element.itertext()]
    linked = {
        tidy(one.text_content())
        for one in element.iter("a", "button")
        if not asks(one.text_content())
    }
    kept = [one for one in pieces if one and (one not in linked or one == pieces[0])]
    return " | ".join(kept)


def _inline(element: HtmlElement, base: str) -> str:
    return _flat(element.text) + "".join(
        _inline_of(child, base) + _flat(child.tail) for child in element
    )


def _flat(text: str | None) -> str:
    """Return a text without the line ends of its source, which are spaces."""
    return _WHITE.sub(" ", text) if text else ""


def _inline_of(element: HtmlElement, base: str) -> str:
    if not isinstance(element.tag, str) or element.tag in SKIPPED:
        return ""
    match element.tag:
        case "br":
            return "\n"
        case "input":
            return _box(element)
        case "a":
            return _link(element, base)
        case "sup" | "sub":
            return _script(element, base)
        case _:
            return _inline(element, base)


def _box(element: HtmlElement) -> str:
    if element.get("type") != "checkbox":
        return ""
    return "☑ " if element.get("checked") is not None else "☐ "


def _script(element: HtmlElement, base: str) -> str:
    text = _inline(element, base).strip()
    if not _SHORT_SCRIPT.fullmatch(text):
        return text
    return text.translate(_RAISED if element.tag == "sup" else _LOWERED)


def _link(element: HtmlElement, base: str) -> str:
    text = _inline(element, base)
    href = (element.get("href") or "").strip()
    shown = tidy(text)
    if shown in BACK and href.startswith("#"):
        return ""
    try:
        target = urljoin(base, href) if href and not href.startswith("#") else ""
    except ValueError:  # no address at all
        return text
    if not shown or not target.startswith(LINKED) or len(target) > MOST_TARGET:
        return text
    bare = target.removeprefix("mailto:").removeprefix("tel:")
    if target.startswith("mailto:"):
        bare = bare.partition("?")[0]
    return text if _is_same(shown, bare) else f"{text.rstrip()} ({bare})"


def _is_same(shown: str, target: str) -> bool:
    """Tell whether a link shows where it leads: an address, or a number in another form."""
    if any(one in shown for one in ".@") and "".join(shown.split()) in target:
        return True
    figures = _NO_FIGURE.sub("", shown)
    return len(figures) >= FEWEST_FIGURES and figures == _NO_FIGURE.sub("", target)
