"""The vector index behind one interface: on a Qdrant server, or embedded in this process.

Only the engine that is used is imported: the server's client alone takes seconds of a start.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from services.rag.index.interface import Index
from services.rag.settings import RagSettings


@asynccontextmanager
async def open_index(settings: RagSettings, dimensions: int) -> AsyncIterator[Index]:
    """Open the index that the settings name. Raises SettingsError when that can't work."""
    if settings.qdrant_url:
        from services.rag.index.server import open_server_index  # noqa: PLC0415 -- see above

        server = open_server_index(
            settings.qdrant_url,
            api_key=settings.qdrant_api_key.get_secret_value() or None,
            timeout=settings.qdrant_timeout,
            collection=settings.index_collection,
            dimensions=dimensions,
        )
        async with server as index:
            yield index
    else:
        from services.rag.index.embedded import open_embedded_index  # noqa: PLC0415 -- see above

        embedded = open_embedded_index(
            settings.data_dir / "index",
            collection=settings.index_collection,
            dimensions=dimensions,
            flush_seconds=settings.index_flush_seconds,
            optimise_every=settings.index_optimise_every,
        )
        async with embedded as index:
            yield index
