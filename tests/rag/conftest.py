"""rag under test: the whole service on real servers, and the bundled model by itself."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.bus.bus import Bus
from libs.bus.files import open_files
from libs.runtime.mongo import Database
from services.rag.app import run
from services.rag.embed.bundled import BundledModel, open_bundled_model
from services.rag.index.embedded import open_embedded_index
from services.rag.sources.store import SourceStore
from tests.rag.service import Rag
from tests.rag.worker import Worker


@pytest.fixture(scope="session")
async def model() -> AsyncIterator[BundledModel]:
    """The bundled embedding model."""
    async with open_bundled_model(threads=1, intra_op_threads=1) as model:
        yield model


@pytest.fixture
def environment(
    bus: Bus,
    database: Database,
    mongo_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> dict[str, str]:
    """The settings of a rag service on this test's bus, database and directory."""
    url = bus.client.connected_url
    assert url is not None
    settings = {
        "NATS_URL": url.geturl(),
        "MONGO_URL": mongo_url,
        "MONGO_DATABASE": database.name,
        "DATA_DIR": str(tmp_path / "data"),
        "EMBEDDINGS_BATCH": "2",
    }
    # An index server of the developer's own is for test_index.py alone.
    monkeypatch.delenv("QDRANT_URL", raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return {**os.environ, **settings}


@pytest.fixture
async def rag_bus(bus: Bus) -> AsyncIterator[Rag]:
    """What a test asks of a rag service that it starts itself."""
    async with Rag(bus) as rag:
        yield rag


@pytest.fixture
async def rag(environment: dict[str, str], rag_bus: Rag) -> AsyncIterator[Rag]:
    """A running rag service and what a test asks of it."""
    assert environment  # read from the process by the service
    async with run():
        yield rag_bus


@pytest.fixture
async def worker(bus: Bus, database: Database, tmp_path: Path) -> AsyncIterator[Worker]:
    """A worker on real servers and an index of its own."""
    await SourceStore(database).create_indexes()
    opening = open_embedded_index(tmp_path, collection="c", dimensions=2, flush_seconds=60)
    async with opening as index:
        yield Worker(bus, await open_files(bus, 1), database, index)
