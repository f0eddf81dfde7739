"""Word documents: mammoth makes HTML of them, what it leaves out is put in before."""

from collections.abc import Iterator
from typing import BinaryIO

import mammoth  # type: ignore[import-untyped]  # it has no stubs

from libs.contracts.sources import Note
from services.rag.read.archive import BROKEN
from services.rag.read.html.sections import sections_of_tree
from services.rag.read.html.tree import tree_of
from services.rag.read.section import Section, Unreadable, note
from services.rag.read.word.parts import Parts, prepared

STYLES = "p[style-name='Title'] => h1:fresh"
FEW_CHARACTERS = 200
"""Characters of text for each picture, below which the pictures may be what matters."""


def read_docx(file: BinaryIO) -> Iterator[Section | Note]:
    """Yield the sections of a Word document, and what of it was not read. Raises Unreadable."""
    try:
        document, parts = prepared(file)
        html = mammoth.convert_to_html(
            document,
            style_map=STYLES,
            convert_image=mammoth.images.img_element(lambda _: {"src": ""}),
        ).value
    except BROKEN as error:
        raise Unreadable(
            "The Word document is damaged: open it in Word or LibreOffice, save it anew, and "
            "upload that."
        ) from error
    tree = tree_of(html)
    length = 0
    for section in sections_of_tree(tree) if tree is not None else ():
        length += len(section.text) + len(section.answer)
        yield section
    if parts.margins:
        yield Section(text="\n".join(parts.margins), heading="Header and footer")
    yield from _notes(parts, length)


def _notes(parts: Parts, length: int) -> Iterator[Note]:
    if parts.pictures and length < FEW_CHARACTERS * parts.pictures:
        yield note(
            "pictures",
            f"The document has {parts.pictures} pictures; what is written in them was not read.",
        )
    if parts.hidden:
        yield note("hidden_text", "Text that is formatted as hidden was left out.")
