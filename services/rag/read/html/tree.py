"""The tree of an HTML page without what is not for its readers: code, menus, hidden parts.

Folded parts are content: a panel that something on the page opens is kept though it is not shown.
"""

import re
from collections.abc import Iterator

import lxml.html  # type: ignore[import-untyped]  # it has no stubs
from lxml.etree import ParserError  # type: ignore[import-untyped]  # it has no stubs
from lxml.html import HtmlElement

from services.rag.read.questions import asks

CODE = ("head", "script", "style", "noscript", "template", "svg", "canvas", "object", "iframe")
ASIDE = ("nav", "dialog", "menu")
ASIDE_ROLES = frozenset({"navigation", "search", "dialog", "alertdialog", "menu", "menubar"})
FEWEST_LINKS = 3
"""Links of a list, from which it may be a menu."""
MENU_LINKS = 0.8
"""Share of the text of a menu that is links."""
MENU_LINK = 28
"""Characters of the links of a menu, on average at most."""
MOST_BANNER = 1_500
"""Characters of a notice about cookies."""
_HIDDEN = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_HIDING = frozenset({"hidden", "d-none", "is-hidden", "hide", "display-none"})
"""Names of classes that hide what has them, in the usual frameworks."""
_PANEL = re.compile(r"panel|accordion|collaps|answer|faq|tab-?content|toggle", re.IGNORECASE)
_BANNER = re.compile(r"cookie|consent|gdpr|onetrust|cc-window", re.IGNORECASE)
_CONSENTING = re.compile(
    r"consent|privacy|accept|agree|we use cookies|partners|datenschutz|aceptar|accepter",
    re.IGNORECASE,
)
_DIGIT = re.compile(r"\d")
LISTS = ("ul", "ol", "div", "p", "header")
"""What a menu may be made of."""


def tree_of(html: str) -> HtmlElement | None:
    """Return the tree of a page or a piece of one, None when there is nothing in it."""
    # As bytes, since what an XML declaration says of the encoding is not true of a string.
    parser = lxml.html.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True
    )
    try:
        return lxml.html.document_fromstring(html.encode("utf-8", "replace"), parser=parser)
    except ParserError:
        return None


def without_asides(tree: HtmlElement, *, menus: bool = True) -> None:
    """Take out of a page what is not a part of its text; `menus`: lists of links as well."""
    _drop(tree.iter(*CODE))
    folded = set(_folded(tree))
    hidden = tree.xpath("//*[@hidden or @style or @class]")
    _drop(one for one in hidden if _is_hidden(one) and one not in folded)
    _drop(tree.iter(*ASIDE))
    _drop(one for one in tree.xpath("//*[@role]") if one.get("role") in ASIDE_ROLES)
    if menus:
        # By iteration: the union of several paths takes the square of what they find.
        _drop(one for one in list(tree.iter(*LISTS)) if _is_menu(one))
    _drop(one for one in tree.xpath("//*[@id or @class]") if _is_banner(one))


def _drop(elements: Iterator[HtmlElement]) -> None:
    for element in list(elements):
        if element.getparent() is not None:
            element.drop_tree()


def _is_hidden(element: HtmlElement) -> bool:
    if element.get("hidden") is not None and element.get("hidden") != "until-found":
        return True
    if not _HIDING.isdisjoint((element.get("class") or "").lower().split()):
        return True
    return bool(_HIDDEN.search(element.get("style") or ""))


def opened_by(opener: HtmlElement) -> HtmlElement | None:
    """Return the panel that a button, tab or the like opens, if that can be told."""
    named = opener.get("aria-controls")
    if named:
        found = opener.getroottree().getroot().xpath("//*[@id=$id]", id=named)
        if found:
            return found[0]
    for element in (opener, opener.getparent()):
        after = element.getnext() if element is not None else None
        if after is None:
            continue
        if _PANEL.search(_names(after)) or (_says_what_it_opens(opener) and _is_hidden(after)):
            return after
    return opener.getnext() if _says_what_it_opens(opener) else None


def _says_what_it_opens(opener: HtmlElement) -> bool:
    """Tell a button that unfolds something from one that does anything else."""
    return opener.get("aria-expanded") is not None or asks(opener.text_content().strip())


def _folded(tree: HtmlElement) -> Iterator[HtmlElement]:
    for opener in tree.iter():
        if not _is_opener(opener):
            continue
        panel = opened_by(opener)
        if panel is not None:
            yield panel
    yield from tree.xpath("//*[@role='tabpanel']")


def _is_opener(element: HtmlElement) -> bool:
    if element.tag in {"summary", "button"} or element.get("role") == "tab":
        return True
    return element.get("aria-expanded") is not None or element.get("aria-controls") is not None


def _names(element: HtmlElement) -> str:
    return f"{element.get('class') or ''} {element.get('id') or ''} {element.get('role') or ''}"


def _is_menu(element: HtmlElement) -> bool:
    """Tell whether an element is a list of links to other pages: short ones, without figures."""
    if any(above.tag in {"main", "article"} for above in element.iterancestors()):
        return False
    links = [" ".join(link.text_content().split()) for link in element.iter("a")]
    if len(links) < FEWEST_LINKS or any(map(_DIGIT.search, links)):
        return False
    length = len("".join(element.text_content().split()))
    linked = sum(len("".join(link.split())) for link in links)
    return linked >= MENU_LINKS * length and linked <= MENU_LINK * len(links)


def _is_banner(element: HtmlElement) -> bool:
    if not _BANNER.search(_names(element)) or len(element.text_content()) > MOST_BANNER:
        return False
    return bool(_CONSENTING.search(element.text_content()))
