"""The pages hold together: links lead somewhere, indexes are whole, one screen is one screen."""

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import pytest

from libs.contracts.asyncapi import SENT
from tests.documents.picture import THEMES, picture
from tests.documents.tracked import ROOT, texts

PAGES = [path for path in texts() if path.suffix == ".md"]
STEPS = 14
"""The most stops that a message may make on its way, see docs/architecture.md."""
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_FENCED = re.compile(r"```.*?```", re.DOTALL)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_PLACE = re.compile(r"`([\w./]+\.py)`(?: \(`(\w+)`\))?")
_FILE = re.compile(r"`([\w./]+\.py)`")


def _prose(path: PurePosixPath) -> str:
    return _FENCED.sub("", (ROOT / path).read_text("utf-8"))


def _links(path: PurePosixPath) -> Iterator[str]:
    for target in _LINK.findall(_prose(path)):
        link = target[0] or target[1]
        if "://" not in link and not link.startswith("mailto:"):
            yield link


def _anchors(path: Path) -> set[str]:
    """Return the anchors that a forge gives to the headings of a page."""
    headings = _HEADING.findall(_FENCED.sub("", path.read_text("utf-8")))
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", one) for one in headings)
    return {re.sub(r"[^\w\- ]", "", one.lower()).replace(" ", "-") for one in plain}


def _rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the table below a heading, its two head lines left out."""
    text = (ROOT / page).read_text("utf-8").split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines[2:]]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_link_leads_somewhere(page: PurePosixPath) -> None:
    """To a file of the repository, and to a heading that it has."""
    wrong = []
    for link in _links(page):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in _anchors(target)):
            wrong.append(link)
    assert wrong == []


def test_every_decision_is_in_the_index() -> None:
    """Once, under the title that its page has."""
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    listed = {name: title for title, name in re.findall(r"\[([^\]]+)\]\(([\w-]+\.md)\)", index)}
    titles = {
        path.name: path.read_text("utf-8").splitlines()[0].removeprefix("# ")
        for path in folder.glob("*.md")
        if path.name != "README.md"
    }
    assert listed == titles
    assert len(re.findall(r"\]\([\w-]+\.md\)", index)) == len(titles)


def test_a_message_makes_few_stops() -> None:
    """Each is one file that is there, and none comes twice."""
    rows = _rows("docs/architecture.md", "## One message")
    files = [_FILE.findall(row[1]) for row in rows]
    assert [row[0] for row in rows] == [str(number) for number in range(1, len(rows) + 1)]
    assert len(rows) <= STEPS
    assert all(files)
    named = [name for some in files for name in some]
    assert len(set(named)) == len(named)


def test_a_word_means_one_thing() -> None:
    """The glossary has each word once, in order, with the file where it lives."""
    rows = _rows("docs/glossary.md", "# Glossary")
    words = [row[0] for row in rows]
    assert words == sorted(set(words), key=str.lower)
    wrong = []
    for word, _, where in rows:
        places = _PLACE.findall(where)
        assert places, word
        for file, name in places:
            code = (ROOT / file).read_text("utf-8")
            if name and not re.search(rf"^(?:class |async def |def )?{name}\b", code, re.MULTILINE):
                wrong.append((word, file, name))
    assert wrong == []


@pytest.mark.parametrize("theme", THEMES)
def test_the_picture_shows_what_is_declared(theme: str) -> None:
    """Everything that one service sends another; that the files are current, `make check` says."""
    drawn = picture(theme)
    for one in SENT:
        pairs = [(a, b) for a in one.senders for b in one.receivers if a != b]
        if pairs and not one.subject.startswith("events.") and not one.name.startswith("cache."):
            assert one.name in drawn
    assert (ROOT / "docs" / f"picture-{theme}.svg").read_text("utf-8") == drawn


def test_the_readme_is_one_screen() -> None:
    """Of code and prose; what is more belongs to docs/."""
    assert len((ROOT / "README.md").read_text("utf-8").splitlines()) <= 85
