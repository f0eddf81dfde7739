"""Reads a document in a process of its own: whatever is in it hurts nobody else.

Parsers are large and documents come from anywhere. A process that takes too long, too much memory
or crashes ends with its document failed, and answers go on meanwhile.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import msgspec
import structlog

from libs.contracts.sources import Note
from services.rag.read.section import Section, Unreadable

log = structlog.get_logger()

UNREADABLE = "The document can't be read; it may be damaged."


class ReadLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds, bytes of memory (also: of an archive's content), pages, characters of text."""

    seconds: float
    memory: int
    pages: int
    characters: int


class ReadDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a document says, or why it can't be read; `notes` are of what was left out."""

    sections: tuple[Section, ...] = ()
    notes: tuple[Note, ...] = ()
    error: str | None = None


_decoder = msgspec.json.Decoder(ReadDocument)


async def read_isolated(path: Path, suffix: str, limits: ReadLimits) -> ReadDocument:
    """Return what a document says. Raises Unreadable."""
    command = [sys.executable, "-m", "services.rag.read", str(path), suffix]
    process = await asyncio.create_subprocess_exec(
        *command, msgspec.json.encode(limits).decode(), stdout=PIPE, stderr=PIPE
    )
    try:
        async with asyncio.timeout(limits.seconds):
            output, complaint = await process.communicate()
    except TimeoutError:
        raise Unreadable(f"Reading the document takes longer than {limits.seconds:g} s.") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        log.warning(
            "parse.failed",
            status=process.returncode,
            error=complaint[-500:].decode(errors="replace"),
        )
        raise Unreadable(UNREADABLE)
    found = _decoder.decode(output)
    if found.error:
        raise Unreadable(found.error, found.notes)
    return found
