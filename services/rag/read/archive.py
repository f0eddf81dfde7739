"""Office files whose XML has characters that XML does not know, such as NUL."""

import io
import re
import zlib
from pathlib import Path
from typing import BinaryIO
from xml.parsers.expat import ExpatError
from zipfile import ZIP_STORED, BadZipFile, LargeZipFile, ZipFile

from services.rag.read.section import Unreadable

_FORBIDDEN = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f]")
_REFERENCE = re.compile(rb"&#(?:x([0-9A-Fa-f]{1,8})|([0-9]{1,10}));")
DAMAGED = (BadZipFile, LargeZipFile, NotImplementedError, RuntimeError, OSError, zlib.error)
"""What unpacking raises: RuntimeError for an encrypted member, NotImplementedError for one that is
packed in a way that Python does not know."""
BROKEN = (
    BadZipFile,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    IndexError,
    SyntaxError,
    ExpatError,
    zlib.error,
)
"""What readers of Office files let through, XML errors (SyntaxError, ExpatError) among them."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_USUAL = {
    name.lower(): name
    for name in ("xl/workbook.xml", "xl/sharedStrings.xml", "xl/styles.xml", "word/document.xml")
}
_INSTEAD = "\ufffd".encode()


def mended(path: Path) -> BinaryIO:
    """Return the file, in memory and with U+FFFD for those characters if it has any of them.

    Raises Unreadable for an archive that can't be unpacked.
    """
    content = path.read_bytes()
    try:
        with ZipFile(io.BytesIO(content)) as archive:
            changed = {
                entry.filename: new
                for entry in archive.infolist()
                if entry.filename.endswith((".xml", ".rels"))
                and (new := _mended(old := archive.read(entry))) != old
            }
            odd = any(usual_name(name) != name for name in archive.namelist())
            return io.BytesIO(_with(archive, changed) if changed or odd else content)
    except DAMAGED as error:
        raise Unreadable("The file is damaged.") from error


def usual_name(name: str) -> str:
    """Return a member's name as it is looked for: some programs write it their own way."""
    name = name.replace("\\", "/")
    return _USUAL.get(name.lower(), name)


def _mended(xml: bytes) -> bytes:
    if xml.startswith(_WIDE):
        return xml
    return _REFERENCE.sub(_known, _FORBIDDEN.sub(_INSTEAD, xml))


def _known(found: re.Match[bytes]) -> bytes:
    number = int(found[1], 16) if found[1] else int(found[2])
    return found[0] if _is_character(number) else _INSTEAD


def _is_character(number: int) -> bool:
    """Say whether XML 1.0 has a character of this number."""
    if number < 0x20:
        return number in {0x9, 0xA, 0xD}
    return number < 0xD800 or 0xE000 <= number < 0xFFFE or 0x10000 <= number < 0x110000


def _with(archive: ZipFile, changed: dict[str, bytes]) -> bytes:
    new = io.BytesIO()
    with ZipFile(new, "w", ZIP_STORED) as copy:
        for entry in archive.infolist():
            # Pictures and the like stay out: nobody reads them.
            if entry.filename in changed:
                copy.writestr(usual_name(entry.filename), changed[entry.filename])
            elif entry.filename.endswith((".xml", ".rels")):
                copy.writestr(usual_name(entry.filename), archive.read(entry))
    return new.getvalue()
