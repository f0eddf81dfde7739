"""Reads of lists that are bounded in number and in bytes: what comes out goes into one response."""

from collections.abc import AsyncIterable, Callable
from typing import Any, TypeVar

from libs.contracts.sizes import size_of

Item = TypeVar("Item")

BATCH = 100
"""Documents that are asked for at once: more may not be needed, and each may be large."""


async def up_to(
    found: AsyncIterable[dict[str, Any]],
    read: Callable[[dict[str, Any]], Item],
    limit: int,
    most_bytes: int,
) -> tuple[list[Item], bool]:
    """Return the first `limit` items, or fewer when they have more bytes as JSON, and at least one.

    And whether there are more: `found` has to go one beyond the limit.
    """
    items: list[Item] = []
    size = 0
    async for document in found:
        item = read(document)
        size += size_of(item)
        if len(items) == limit or (items and size > most_bytes):
            return items, True
        items.append(item)
    return items, False
