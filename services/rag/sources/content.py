"""What an uploaded file says: fetched, and read in a process of its own."""

import tempfile
from pathlib import Path

from libs.bus.files import Files
from libs.contracts.sources import Source
from services.rag.read.process import ReadDocument, ReadLimits, read_isolated
from services.rag.read.section import Unreadable

LOST = "The file is not there any more: upload it again."


class Contents:
    """What files say."""

    def __init__(self, files: Files, limits: ReadLimits) -> None:
        self._files = files
        self._limits = limits

    async def read(self, source: Source) -> ReadDocument:
        """Return what the file of a source says. Raises Unreadable and ServiceUnavailable."""
        with tempfile.NamedTemporaryFile(prefix="source-") as file:
            found = await self._files.get(source.file_id, file)
            if not found or source.file is None:
                raise Unreadable(LOST)
            file.flush()
            suffix = Path(source.file.name).suffix.lower()
            return await read_isolated(Path(file.name), suffix, self._limits)

    async def drop(self, file_id: str) -> None:
        """Remove a file that no version of a source uses any more."""
        await self._files.delete(file_id)
