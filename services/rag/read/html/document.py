"""Web pages: their text as a visitor can read it, or why there is none."""

import re
from collections.abc import Iterator
from urllib.parse import urljoin

from lxml.html import HtmlElement  # type: ignore[import-untyped]  # it has no stubs

from services.rag.read.html.sections import sections_of_tree, tidy
from services.rag.read.html.structured_data import sections_of_data
from services.rag.read.html.tree import tree_of, without_asides
from services.rag.read.section import Section, Unreadable

FOOTER = "Footer"
"""The heading of what stands at the end of every page of a site."""
FEW = 600
"""Characters of a section that may be nothing but a notice."""
NEXT_TO_NOTHING = 200
"""Characters of a page that may say no more than why it says nothing."""
SCRIPT = (
    "The page shows its text with JavaScript only, which is not run here: give the address of a "
    "page that has it without, or add the text itself."
)
CONSENT = (
    "The page shows nothing but a notice about cookies and consent: give the address of a page "
    "that can be read without it, or add the text itself."
)
ROBOT = "The page shows nothing but a test whether its reader is a person, so it can't be read."
_SCRIPT = re.compile(
    r"enable javascript|javascript (?:is|to be) (?:disabled|required|enabled|not)"
    r"|requires javascript|without javascript|^(?:loading|redirecting|please wait)\b.{0,40}$",
    re.IGNORECASE | re.MULTILINE,
)
_CONSENT = re.compile(
    r"cookies?\b|\bconsent|\bprivacy\b|personal data|\bpartners\b|\bgdpr\b", re.IGNORECASE
)
_ACCEPTING = re.compile(r"\b(?:accept|agree|consent|allow|partners)", re.IGNORECASE)
_POLICY = re.compile(r"\b(?:policy|statement|terms)\b", re.IGNORECASE)
_ROBOT = re.compile(
    r"checking your browser|verify (?:that )?you are (?:a )?human|are you a robot|one more step",
    re.IGNORECASE,
)
_CONTACT = re.compile(
    r"(?<!\d)(?!(?:19|20)\d\d\b)\d|@|\b(?:open|closed|hours|daily|street|phone|call)\b",
    re.IGNORECASE,
)
"""More than the year of a copyright."""
CONSENT_WORDS = 3
"""Different words of consent, from which a paragraph is such a notice."""


def read_html(text: str, url: str = "") -> Iterator[Section]:
    """Yield the sections of a page: without code, menus, advertisements and hidden parts.

    `url` is what its relative links start from. Raises Unreadable when it has nothing to read.
    """
    tree = tree_of(text)
    if tree is None:
        return
    try:
        yield from _read(tree, url)
    except RecursionError:  # thousands of elements within each other: its text without its shape
        whole = tidy(str(tree.text_content()))
        if whole:
            yield Section(text=whole)


def _read(tree: HtmlElement, url: str) -> list[Section]:
    url = next((urljoin(url, one) for one in tree.xpath("//base/@href")), url)
    data = list(sections_of_data(tree))
    notices = " ".join(one.text_content() for one in tree.iter("noscript"))
    has_script = next(tree.iter("script"), None) is not None
    without_asides(tree)
    footers = [_taken_out(one) for one in _footers(tree)]
    found = [one for one in sections_of_tree(tree, url) if not _is_notice(one)]
    ends = [section for footer in footers for section in sections_of_tree(footer, url)]
    found += [_as_footer(one) for one in ends if _is_contact(one)]
    shown = "".join("".join(map(_bare, _parts(one))) for one in found)
    found += [one for one in data if not _is_said(one, shown)]
    if sum(len(one.text) + len(one.answer) for one in found) < NEXT_TO_NOTHING:
        _check(found, f"{tree.text_content()}\n{notices}", has_script=has_script)
    return found


def _footers(tree: HtmlElement) -> list[HtmlElement]:
    return [
        one
        for one in tree.iter("footer")
        if not any(above.tag in {"article", "main", "footer"} for above in one.iterancestors())
    ]


def _taken_out(element: HtmlElement) -> HtmlElement:
    element.drop_tree()
    return element


def _as_footer(section: Section) -> Section:
    return Section(text="\n".join(filter(None, _parts(section))), heading=FOOTER)


def _is_contact(section: Section) -> bool:
    """Tell whether a footer says more than whose page it is."""
    return bool(_CONTACT.search(f"{section.heading} {section.text}"))


def _is_notice(section: Section) -> bool:
    """Tell whether a section is nothing but a notice about cookies."""
    said = f"{section.heading} {section.text}"
    if len(said) > FEW or not _ACCEPTING.search(said) or _POLICY.search(section.heading):
        return False
    return len({found.lower() for found in _CONSENT.findall(said)}) >= CONSENT_WORDS


def _is_said(section: Section, shown: str) -> bool:
    """Tell whether all that the data for machines says is on the page as well, spaces aside."""
    said = section.answer or section.text
    return all(_bare(line.partition(": ")[2] or line) in shown for line in said.splitlines())


def _parts(section: Section) -> tuple[str, ...]:
    return section.heading, section.question, section.answer, section.text


def _bare(text: str) -> str:
    return "".join(text.split())


def _check(found: list[Section], everything: str, *, has_script: bool) -> None:
    """Raise Unreadable when a page says only why it says nothing."""
    said = "\n".join(f"{one.text}\n{one.question}{one.answer}".strip() for one in found)
    if _ROBOT.search(everything):
        raise Unreadable(ROBOT)
    if _SCRIPT.search(said) or (not said and (_SCRIPT.search(everything) or has_script)):
        raise Unreadable(SCRIPT)
    if not said and len({one.lower() for one in _CONSENT.findall(everything)}) >= CONSENT_WORDS:
        raise Unreadable(CONSENT)
