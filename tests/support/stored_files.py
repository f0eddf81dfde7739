"""Files in the object store, as api stores them."""

import io

from libs.bus.bus import Bus
from libs.bus.files import open_files
from libs.contracts.sources import CreateSource, FileInfo
from libs.runtime.ids import new_id


def content_of(rows: int) -> bytes:
    """A CSV file of so many products."""
    lines = (f"Lamp {n},{n} pesos" for n in range(rows))
    return "\n".join(["product,price", *lines]).encode()


def file_of_rows(rows: int) -> CreateSource:
    """A file source that makes a chunk of each row; store_file() puts the file where it belongs."""
    return CreateSource(
        source_id=new_id("src"),
        account_id="acc",
        agent_id="",
        kind="file",
        title="Prices",
        file=FileInfo(name="prices.csv", size=len(content_of(rows))),
    )


async def store_file(bus: Bus, source: CreateSource) -> None:
    """Put the file of a source into the store, as the edge does."""
    if source.file is not None:
        rows = next(n for n in range(100) if len(content_of(n)) == source.file.size)
        files = await open_files(bus, 1)
        await files.put(source.source_id, io.BytesIO(content_of(rows)))


async def has_file(bus: Bus, source_id: str) -> bool:
    """Tell whether the store has the file of a source."""
    return await (await open_files(bus, 1)).get(source_id, io.BytesIO())
