"""A real rag process, killed in the middle of an ingestion."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from libs.bus.bus import Bus
from libs.contracts.events import SourceReady
from libs.contracts.sources import GET_SOURCE, CreateSource, GetSource, Source
from services.rag.embed.bundled import DIMENSIONS
from services.rag.index.embedded import open_embedded_index
from services.rag.settings import RagSettings
from tests.rag.service import PATIENCE, Rag
from tests.support.rag_process import process, stop, until_up
from tests.support.source_texts import long_text
from tests.support.stored_files import file_of_rows, store_file


async def until_half_done(rag: Rag, source_id: str) -> Source:
    """Wait until some chunks of a source are indexed, and not yet all."""
    async with asyncio.timeout(PATIENCE):
        while True:
            question = GetSource(agent_id="a1", source_id=source_id)
            source = await rag.bus.call(GET_SOURCE, question)
            assert source.status != "ready", "too fast to be killed in the middle"
            if source.chunks:
                return source


@pytest.mark.parametrize("make", [long_text, file_of_rows])
async def test_a_killed_ingestion_is_finished_by_the_next_process(
    bus: Bus, environment: dict[str, str], tmp_path: Path, make: Callable[[int], CreateSource]
) -> None:
    """After a kill -9 mid-ingestion and a restart the source is ready, each chunk there once."""
    source = make(60)
    await store_file(bus, source)
    async with Rag(bus) as rag:
        async with process(environment) as first:
            await until_up(bus)
            await rag.add(source, "a1")
            interrupted = await until_half_done(rag, source.source_id)
            first.send_signal(signal.SIGKILL)
        async with process(environment) as second:
            ready = await rag.event(SourceReady, source.source_id)
            assert isinstance(ready, SourceReady)
            assert ready.chunks > interrupted.chunks
            assert await stop(second) == 0
    opening = open_embedded_index(
        tmp_path / "data" / "index",
        collection=RagSettings.for_a_command().index_collection,
        dimensions=DIMENSIONS,
        flush_seconds=60,
    )
    async with opening as index:
        assert await index.count("a1") == ready.chunks


async def test_a_second_process_on_the_same_directory_is_refused(
    bus: Bus, environment: dict[str, str]
) -> None:
    """It ends at once with one sentence, and the first goes on."""
    async with process(environment) as first:
        await until_up(bus)
        async with process(environment) as second:
            _, errors = await asyncio.wait_for(second.communicate(), PATIENCE)
            assert second.returncode == 1
        assert b"in use by another process" in errors
        assert b"Traceback" not in errors
        await until_up(bus)
        assert await stop(first) == 0
