"""Real servers for all tests: NATS and Mongo, and a bus and a database fresh for each test."""

import os
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import PurePosixPath
from typing import Any

# testcontainers' own clean-up container is an image that nothing here may pull.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

import nats
import pytest
from xdist.scheduler import LoadScopeScheduling

from libs.bus.bus import Bus, open_bus
from libs.runtime.ids import new_id
from libs.runtime.mongo import Database, open_mongo
from tests import servers

NOBODYS_STREAM = "NOBODYS"
SERVERS = frozenset({"nats_url", "mongo_url", "qdrant_url", "stack"})
"""Fixtures that are servers; whoever is given one waits for it."""
ONE_SYSTEM = frozenset({"clients", "flow", "replicas", "security", "sizes", "upstreams"})
"""Folders whose tests share a running system."""
LONGEST = frozenset({"chaos", "flow", "owners", "replicas", "sizes", "upstreams"})
"""Folders that take minutes each."""
STARTS_PROCESSES = frozenset(
    {
        *("alone", "alonchat", "chaos", "clients", "deploy", "flow", "hostile", "llama"),
        *("overload", "owners", "replicas", "sizes", "upstreams"),
    }
)
"""Folders of tests that start servers, stacks or other programs by themselves."""


class BySystem(LoadScopeScheduling):  # type: ignore[misc]  # it has no types
    """Runs the tests of one system in one process, in line; else those of one file.

    So each system is started once. pytest-xdist's own groups (3.8) do nothing on pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        path, _, name = nodeid.partition("::")
        folder = PurePosixPath(path).parent.name
        if folder not in ONE_SYSTEM:
            return path
        kind = next((kind for kind in ("one process", "five processes") if kind in name), "")
        return f"{folder} {kind}"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    """Say how tests are dealt out to processes."""
    return BySystem(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what `make quick` runs: each test that is given no server and starts none.

    The longest systems go first, so that no process is left with one of them at the end.
    """
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)
    for item in items:
        given = SERVERS.intersection(getattr(item, "fixturenames", ()))
        alone = not given and STARTS_PROCESSES.isdisjoint(item.path.parts)
        if alone and item.get_closest_marker("slow") is None:
            item.add_marker(pytest.mark.quick)


def pytest_report_header() -> list[str]:
    """Say which servers the tests run on."""
    return servers.header()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in words what was not run and why: a skipped test proves nothing."""
    reports = terminalreporter.stats.get("skipped", [])
    reasons = Counter(str(one.longrepr[2]) for one in reports if isinstance(one.longrepr, tuple))
    for reason, count in reasons.items():
        terminalreporter.section("NOT RUN", sep="!", red=True, bold=True)
        terminalreporter.line(f"{count}: {reason.removeprefix('Skipped: ')}")


@pytest.fixture(scope="session")
def nats_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real NATS server with JetStream, for the whole run."""
    with servers.running("nats", tmp_path_factory.mktemp("servers")) as url:
        yield url


@pytest.fixture(scope="session")
def mongo_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real Mongo wire server, for the whole run."""
    with servers.running("mongo", tmp_path_factory.mktemp("servers")) as url:
        yield url


@pytest.fixture(scope="session")
def qdrant_url() -> Iterator[str | None]:
    """A real Qdrant server, None where this machine has none."""
    with servers.running_qdrant() as url:
        yield url


@pytest.fixture
async def database(mongo_url: str) -> AsyncIterator[Database]:
    """A database of this test's own."""
    async with open_mongo(mongo_url, new_id("test")) as database:
        yield database
        await database.client.drop_database(database.name)


@pytest.fixture
async def empty_nats_url(nats_url: str) -> str:
    """The NATS server without any of our streams, so without anything of an earlier test.

    One stream of nobody's stays: NATS removes the folder of its streams after the last one went,
    and now and then that meets the creation of the next ("error creating store for stream").
    """
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    await jetstream.add_stream(name=NOBODYS_STREAM, subjects=["nobodys"])
    for stream in await jetstream.streams_info():
        assert stream.config.name is not None
        if stream.config.name != NOBODYS_STREAM:
            await jetstream.delete_stream(stream.config.name)
    await client.close()
    return nats_url


@pytest.fixture
async def bus(empty_nats_url: str) -> AsyncIterator[Bus]:
    """A bus of this test's own; call `start()` after subscribing."""
    async with open_bus(empty_nats_url, "test") as bus:
        yield bus
