"""Sources with a text."""

import msgspec

from libs.contracts.sources import CreateSource
from libs.runtime.ids import new_id
from tests.rag.shop import SOURCES

HOURS = SOURCES[0]


def long_text(paragraphs: int) -> CreateSource:
    """A text source that makes a chunk of each paragraph."""
    text = "\n\n".join(f"Shelf {number} holds paint. " * 25 for number in range(paragraphs))
    return CreateSource(
        source_id=new_id("src"),
        account_id="acc",
        agent_id="",
        kind="text",
        title="Shelves",
        text=text,
    )


def hours() -> CreateSource:
    """The shop's business hours under an id of their own, in words of their own."""
    source_id = new_id("src")
    return msgspec.structs.replace(
        HOURS, source_id=source_id, answer=f"{HOURS.answer} ({source_id})"
    )
