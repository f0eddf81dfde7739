"""Has a document read in a process of its own, see child.py."""

from pathlib import Path

import msgspec

from libs.contracts.sources import Note
from services.rag.read.child import Child, ChildDied, ChildLimits
from services.rag.read.section import Section, Unreadable

UNREADABLE = "The document can't be read; it may be damaged."


class ReadLimits(ChildLimits, frozen=True, kw_only=True):
    """What bounds a document: `memory` also an archive's content; pages, characters of text."""

    pages: int
    characters: int


class ReadTask(msgspec.Struct, frozen=True, kw_only=True):
    """A document to read, by the suffix of its format."""

    path: str
    suffix: str


class ReadDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a document says, or why it can't be read; `notes` are of what was left out."""

    sections: tuple[Section, ...] = ()
    notes: tuple[Note, ...] = ()
    error: str | None = None


async def read_isolated(path: Path, suffix: str, limits: ReadLimits) -> ReadDocument:
    """Return what a document says. Raises Unreadable."""
    child = Child("services.rag.read", limits, ReadDocument, most=1)
    try:
        found = await child.ask(ReadTask(path=str(path), suffix=suffix))
    except TimeoutError:
        raise Unreadable(f"Reading the document takes longer than {limits.seconds:g} s.") from None
    except ChildDied as died:
        raise Unreadable(UNREADABLE) from died
    finally:
        await child.stop()
    if found.error:
        raise Unreadable(found.error, found.notes)
    return found
