"""Files in the object store of a real NATS server."""

import io
import os

from libs.bus.bus import Bus
from libs.bus.files import open_files


async def test_a_file_comes_back_as_it_was(bus: Bus) -> None:
    """Larger than any message, byte for byte; opened twice it is the same store."""
    content = os.urandom(5_000_000)
    await (await open_files(bus, 1)).put("a", io.BytesIO(content))
    got = io.BytesIO()
    assert await (await open_files(bus, 1)).get("a", got)
    assert got.getvalue() == content


async def test_a_file_that_is_not_there(bus: Bus) -> None:
    """Getting it says so; deleting it, once more or at all, does no harm."""
    files = await open_files(bus, 1)
    assert not await files.get("a", io.BytesIO())
    await files.put("a", io.BytesIO(b"x"))
    await files.delete("a")
    await files.delete("a")
    assert not await files.get("a", io.BytesIO())


async def test_deleted_files_take_no_room(bus: Bus) -> None:
    """What was uploaded and deleted is not kept on the disk of NATS."""
    files = await open_files(bus, 1)
    for _ in range(3):
        await files.put("a", io.BytesIO(os.urandom(1_000_000)))
    await files.delete("a")
    state = (await bus.jetstream.stream_info("OBJ_source_files")).state
    assert state.bytes < 10_000
