"""What mammoth does not see in a Word document, put where it does: before the conversion.

Numbers that Word makes are written into their paragraphs, what is hidden is taken out, ticked boxes
become characters. Page headers and footers are handed over beside it.
"""

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from zipfile import ZIP_DEFLATED, ZipFile

from lxml import etree  # type: ignore[import-untyped]  # it has no stubs

from services.rag.read.word.numbering import Numbering, is_heading

W = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
STRICT = b"http://purl.oclc.org/ooxml/wordprocessingml/main"
USUAL = b"http://schemas.openxmlformats.org/wordprocessingml/2006/main"
"""The namespace of strict documents says the same as the usual one, which is what is looked for."""
DOCUMENT = "word/document.xml"


@dataclass
class Parts:
    """What a document has beside its text."""

    margins: list[str] = field(default_factory=list)
    """Lines at the top and bottom of its pages, each once."""
    pictures: int = 0
    hidden: bool = False


def prepared(file: BinaryIO) -> tuple[BinaryIO, Parts]:
    """Return a document that mammoth sees all of, and what is beside its text."""
    parts = Parts()
    changed = io.BytesIO()
    with ZipFile(file) as archive, ZipFile(changed, "w", ZIP_DEFLATED, compresslevel=1) as copy:
        numbering = Numbering(
            _tree(archive, "word/numbering.xml"), _tree(archive, "word/styles.xml")
        )
        for entry in archive.infolist():
            content = archive.read(entry)
            if entry.filename == DOCUMENT:
                content = _prepared(content, numbering, parts)
            elif _is_margin(entry.filename):
                parts.margins += _lines(content)
            copy.writestr(entry.filename, content)
    parts.margins = list(dict.fromkeys(parts.margins))
    changed.seek(0)
    return changed, parts


def _parsed(content: bytes) -> Any:
    parser = etree.XMLParser(huge_tree=True, resolve_entities=False)
    return etree.fromstring(content.replace(STRICT, USUAL), parser)


def _tree(archive: ZipFile, name: str) -> Any:
    return _parsed(archive.read(name)) if name in archive.namelist() else None


def _is_margin(name: str) -> bool:
    return name.startswith(("word/header", "word/footer")) and name.endswith(".xml")


def _lines(content: bytes) -> Iterator[str]:
    """Yield the lines of a page's header or footer; a page's number is no text."""
    for paragraph in _parsed(content).iter(f"{W}p"):
        if (
            paragraph.find(f".//{W}instrText") is None
            and paragraph.find(f".//{W}fldSimple") is None
        ):
            text = "".join(_texts(paragraph))
            if text.strip():
                yield " ".join(text.split())


def _texts(paragraph: Any) -> Iterator[str]:
    for element in paragraph.iter(f"{W}t", f"{W}tab", f"{W}br"):
        yield element.text or "" if element.tag == f"{W}t" else " "


def _prepared(content: bytes, numbering: Numbering, parts: Parts) -> bytes:
    tree = _parsed(content)
    parts.pictures = sum(1 for _ in tree.iter("{*}blip"))
    parts.hidden = _without_hidden(tree)
    _tick(tree)
    for paragraph in tree.iter(f"{W}p"):
        number = numbering.next(paragraph)
        if number:
            _put_in_front(paragraph, number)
    return bytes(etree.tostring(tree, xml_declaration=True, encoding="UTF-8", standalone=True))


def _without_hidden(tree: Any) -> bool:
    """Take out runs that are formatted as hidden; tell whether there were any."""
    found = False
    for mark in list(tree.iter(f"{W}vanish")):
        run = mark.getparent().getparent() if mark.getparent() is not None else None
        if mark.get(f"{W}val") in {"0", "false"} or run is None or run.tag != f"{W}r":
            continue
        if run.getparent() is not None:
            found = found or bool("".join(_texts(run)).strip())
            run.getparent().remove(run)
    return found


def _tick(tree: Any) -> None:
    """Write legacy form boxes as characters; newer ones have one already."""
    for box in tree.iter(f"{W}checkBox"):
        state = box.find(f"{W}checked")
        if state is None:
            state = box.find(f"{W}default")
        ticked = state is not None and state.get(f"{W}val") not in {"0", "false"}
        run = next(box.iterancestors(f"{W}r"), None)
        if run is not None:
            text = etree.SubElement(run, f"{W}t")
            text.text = "☑ " if ticked else "☐ "


def _put_in_front(paragraph: Any, number: str) -> None:
    """Write a number into a paragraph, which is no item of a list any more."""
    properties = paragraph.find(f"{W}pPr")
    if properties is not None:
        for name in ("numPr", *(() if is_heading(paragraph) else ("pStyle",))):
            element = properties.find(f"{W}{name}")
            if element is not None:  # a style may make it an item of a list as well
                properties.remove(element)
    run = etree.Element(f"{W}r")
    text = etree.SubElement(run, f"{W}t")
    text.text = f"{number} "
    text.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
    paragraph.insert(0 if properties is None else 1, run)
