"""Files in multipart/form-data, RFC 7578: read part by part, and what is wrong by its name."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import unquote

from litestar import Request
from litestar.datastructures import UploadFile
from litestar.utils.scope.state import ScopeState
from multipart import (  # type: ignore[import-untyped]
    MultipartSegment,
    ParserError,
    ParserLimitReached,
    PushMultipartParser,
)

from services.api.http.errors import InvalidRequest, PayloadTooLarge

FILE = "file"
MOST_PARTS = 20
LONGEST_HEADER = 4 * 1024
"""Bytes of a part's header, which has the name of a file."""
LONGEST_TEXT = 64 * 1024
"""Bytes of a part that is no file."""
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii", "iso-8859-1", "latin-1", "latin1"})
EXTENDED_NAME = re.compile(
    r";\s*filename\*\s*=\s*\"?([\w-]{1,20})'[\w-]*'([^;\s\"]+)", re.ASCII | re.IGNORECASE
)


async def read_form(request: Request[Any, Any, Any]) -> None:
    """Read the form, so that the framework does not. A Litestar hook before such a handler.

    Raises InvalidRequest and PayloadTooLarge.
    """
    form = _Form()
    boundary = request.content_type[1].get("boundary", "")
    if not boundary:
        raise InvalidRequest("The Content-Type of the multipart body names no boundary.")
    try:
        await form.read(boundary, request.stream())
    except ParserLimitReached as error:
        await form.close()
        raise PayloadTooLarge(f"The multipart body is not taken: {error}.") from error
    except ParserError as error:
        await form.close()
        raise InvalidRequest(f"The body is not valid multipart/form-data: {error}.") from error
    except BaseException:
        await form.close()
        raise
    ScopeState.from_scope(request.scope).form = form.parts


class _Form:
    """The parts that were read so far, by name."""

    def __init__(self) -> None:
        self.parts: dict[str, UploadFile | str | list[str]] = {}

    async def read(self, boundary: str, stream: AsyncIterator[bytes]) -> None:
        """Read all parts."""
        parser = PushMultipartParser(
            boundary, max_header_size=LONGEST_HEADER, max_segment_count=MOST_PARTS
        )
        part = _Part()
        empty = True
        async for chunk in stream:
            if not chunk:
                continue
            empty = False
            for event in parser.parse(chunk):
                if isinstance(event, MultipartSegment):
                    part = self._begin(event)
                elif event:
                    await part.add(event)
                else:
                    self.parts[part.name] = await part.end()
        if empty:
            raise InvalidRequest("The body is empty; send multipart/form-data.", param=FILE)
        parser.close()

    def _begin(self, segment: MultipartSegment) -> "_Part":
        part = _Part(segment)
        if part.name in self.parts:
            raise InvalidRequest(f"The part {part.name[:100]!r} is there twice.", param=FILE)
        if part.file is not None:
            self.parts[part.name] = part.file  # from now on it is closed whatever happens
        return part

    async def close(self) -> None:
        """Let go of what was read."""
        for part in self.parts.values():
            if isinstance(part, UploadFile):
                await part.close()


class _Part:
    """One part while it arrives: a file if it has a name of one, else text."""

    def __init__(self, segment: MultipartSegment | None = None) -> None:
        self.name: str = (segment and segment.name) or ""
        self.file: UploadFile | None = None
        self._text = bytearray()
        self._charset = "utf-8"
        if segment is not None:
            self._describe(segment)

    def _describe(self, segment: MultipartSegment) -> None:
        self._charset = (segment.charset or "utf-8").lower()
        if self._charset not in CHARSETS:
            raise InvalidRequest("The charset of a part has to be UTF-8.", param=self.name[:100])
        if filename := file_name(segment.header("Content-Disposition"), segment.filename):
            self.file = UploadFile(segment.content_type or "text/plain", filename)
        elif self.name == FILE:
            raise InvalidRequest('The part "file" has no filename.', param=FILE)

    async def add(self, data: bytes) -> None:
        """Take more of its content."""
        if self.file is not None:
            await self.file.write(data)
            return
        self._text += data
        if len(self._text) > LONGEST_TEXT:
            raise PayloadTooLarge(f"A part that is no file is larger than {LONGEST_TEXT} bytes.")

    async def end(self) -> UploadFile | str:
        """Return its content."""
        if self.file is not None:
            await self.file.seek(0)
            return self.file
        try:
            return self._text.decode(self._charset)
        except UnicodeDecodeError as error:
            raise InvalidRequest("A part is not valid UTF-8.", param=self.name[:100]) from error


def file_name(disposition: str, plain: str | None) -> str:
    """Return a part's file name: that of RFC 8187 before the plain one; "" when it has none."""
    name = plain or ""
    if (extended := EXTENDED_NAME.search(disposition)) and extended[1].lower() in CHARSETS:
        try:
            name = unquote(extended[2], encoding=extended[1], errors="strict")
        except UnicodeDecodeError as error:
            raise InvalidRequest("The filename* of a part can't be read.", param=FILE) from error
    return "".join(character for character in name if character.isprintable())
