"""`python -m services.rag.read LIMITS`: reads documents, for process.py."""

import sys
from functools import partial
from pathlib import Path

import msgspec

from libs.contracts.sources import Note
from services.rag.read.child import serve
from services.rag.read.document import read
from services.rag.read.process import ReadDocument, ReadLimits, ReadTask
from services.rag.read.section import Section, Unreadable, cleaned, few


def _read(limits: ReadLimits, task: ReadTask, _content: bytes) -> ReadDocument:
    sections: list[Section] = []
    notes: list[Note] = []
    room = limits.characters
    unpacked = limits.memory
    try:
        for part in read(
            Path(task.path), task.suffix, most_pages=limits.pages, most_unpacked=unpacked
        ):
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
    given = msgspec.json.decode(sys.argv[1], type=ReadLimits)
    serve(ReadTask, partial(_read, given), given)
