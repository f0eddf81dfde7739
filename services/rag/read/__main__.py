"""`python -m services.rag.read FILE SUFFIX LIMITS`: print what it says, for process.py."""

import os
import resource
import sys
from pathlib import Path

import msgspec

from libs.contracts.sources import Note
from services.rag.read.document import read
from services.rag.read.process import ReadDocument, ReadLimits
from services.rag.read.section import Section, Unreadable, cleaned, few

NICENESS = 10
"""Answers go first."""


def main() -> None:
    """Read within the limits, write a Read as JSON to standard output."""
    path, suffix, limits = sys.argv[1:]
    found = _read(Path(path), suffix, msgspec.json.decode(limits, type=ReadLimits))
    sys.stdout.buffer.write(msgspec.json.encode(found))


def _read(path: Path, suffix: str, limits: ReadLimits) -> ReadDocument:
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_AS, (limits.memory, limits.memory))
    cpu = int(limits.seconds) + 1  # ends it even when the process that asked is gone
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu))
    sections: list[Section] = []
    notes: list[Note] = []
    room = limits.characters
    try:
        for part in read(path, suffix, most_pages=limits.pages, most_unpacked=limits.memory):
            if isinstance(part, Note):
                notes.append(part)
                continue
            room -= sum(map(len, (part.text, part.heading, part.question, part.answer)))
            if room < 0:
                return ReadDocument(
                    error=f"The document has more than {limits.characters} characters."
                )
            sections.append(cleaned(part))
    except Unreadable as error:
        return ReadDocument(error=str(error), notes=few([*notes, *error.notes]))
    except MemoryError:
        return ReadDocument(
            error=f"Reading the document takes more than {limits.memory} bytes of memory."
        )
    return ReadDocument(sections=tuple(sections), notes=few(notes))


if __name__ == "__main__":
    main()
