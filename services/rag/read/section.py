"""What every format is read into."""

import re
from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from libs.contracts.sources import Note


class Section(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A part of a document: Markdown below one heading, or a question with its answer.

    `heading` is the path to it ("Delivery > Islands"), `page` counts from 1. `lead` is what each
    piece of the text repeats when it is cut: its first lines, which name a row.
    """

    text: str = ""
    heading: str = ""
    page: int | None = None
    question: str = ""
    answer: str = ""
    lead: str = ""


MOST_REASON = 300
"""Characters of a reason: some quote what is in a document."""
MOST_NOTES = 50
"""Notes of one document; what is left out of more than that is only counted."""
MOST_PLACE = 100
"""Characters of a note's place, such as the name of a sheet."""
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""What no transport of ours can carry: NUL, and halves of a character."""


def clean(text: str) -> str:
    """Return the text with U+FFFD for what can't be kept; one bad place spoils no document."""
    return _NO_TEXT.sub("\ufffd", text)


def cleaned(section: Section) -> Section:
    """Return a section of clean text."""
    return replace(
        section,
        text=clean(section.text),
        heading=clean(section.heading),
        question=clean(section.question),
        answer=clean(section.answer),
        lead=clean(section.lead),
    )


def note(code: str, message: str, place: str = "") -> Note:
    """Return what the owner is told of something left out, in clean text of bounded length."""
    return Note(code=code, message=clean(message)[:MOST_REASON], place=clean(place)[:MOST_PLACE])


def few(notes: Sequence[Note]) -> tuple[Note, ...]:
    """Return each note once, MOST_NOTES of them, and how many more there are."""
    once = tuple(dict.fromkeys(notes))
    if len(once) <= MOST_NOTES:
        return once
    left = len(once) - MOST_NOTES + 1
    return (*once[: MOST_NOTES - 1], note("more", f"There are {left} more notes of this kind."))


class Unreadable(Exception):
    """A document that can't be read; the message tells its owner why, `notes` what of it."""

    def __init__(self, reason: str, notes: Sequence[Note] = ()) -> None:
        super().__init__(reason[:MOST_REASON])
        self.notes = few(notes)


LINKED = ("http://", "https://", "mailto:", "tel:")
"""What a link leads to whose address is kept beside its text."""
HEADING_SEPARATOR = " > "
MOST_HEADING = 300
"""Characters: every chunk below a heading has it, so a long one would be there a thousand times."""


def heading_of(path: Iterable[str]) -> str:
    """Return a path of headings as one, those that are empty left out."""
    return HEADING_SEPARATOR.join(name[:MOST_HEADING] for name in path if name)[:MOST_HEADING]
