"""Real servers for all tests: NATS and Mongo, and a bus and a database fresh for each test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from alonchat import embedded
from libs.bus.bus import Bus, open_bus
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database, open_mongo


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real NATS server with JetStream, for the whole run."""
    yield from _running(embedded.start_nats(tmp_path_factory.mktemp("servers") / "nats"))


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Mongo wire server, for the whole run."""
    yield from _running(embedded.start_mongo(tmp_path_factory.mktemp("servers") / "mongo"))


def _running(server: embedded.Server) -> Iterator[str]:
    yield server.url
    server.process.terminate()
    server.process.wait(timeout=10)


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    """A database of this test's own."""
    async with open_mongo(mongo_url, new_id("test")) as database:
        yield database
        await database.client.drop_database(database.name)


@pytest.fixture
async def bus(tmp_path: Path) -> AsyncIterator[Bus]:
    """A bus of this test's own, on a NATS server of its own; call `start()` after subscribing."""
    server = embedded.start_nats(tmp_path / "nats")
    try:
        async with open_bus(server.url, "test") as bus:
            yield bus
    finally:
        server.process.terminate()
        server.process.wait(timeout=10)
