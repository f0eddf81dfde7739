"""Structs as Mongo keeps them, and the pages of a list. An item's `id` is its document's `_id`."""

from collections.abc import AsyncIterable, Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Any, Protocol, TypeVar

import msgspec

from libs.contracts.sizes import PAGE, size_of
from libs.runtime.mongo import Collection

T = TypeVar("T")
Document = dict[str, Any]


class Identified(Protocol):
    """What a list is made of."""

    @property
    def id(self) -> str:
        """Where the item stands in its list: newer ones have a greater id."""


Row = TypeVar("Row", bound=Identified)

BATCH = 100
"""Documents that are asked for at once: more may not be needed, and each may be large."""


def to_document(item: Any) -> Document:
    """Return a struct or dataclass as it is stored."""
    document = to_part(item)
    document["_id"] = document.pop("id")
    return document


def to_part(item: Any) -> Document:
    """Return a struct or dataclass as a part of a document, with its fields as they are."""
    part: Document = msgspec.to_builtins(item, builtin_types=(datetime,))
    return part


def from_document(document: Mapping[str, Any], kind: type[T]) -> T:
    """Return what to_document() stored; what is stored beside its fields does no harm."""
    return msgspec.convert({**document, "id": document["_id"]}, kind)


def reader(kind: type[T]) -> Callable[[Document], T]:
    """Return from_document() for one kind."""
    return partial(from_document, kind=kind)


async def page_of(
    collection: Collection,
    query: Document,
    read: Callable[[Document], Row],
    *,
    cursor: str | None,
    limit: int,
    most_bytes: int = PAGE,
    without: tuple[str, ...] = (),
) -> tuple[list[Row], str | None]:
    """Return the newest items after `cursor`, newest first, and the cursor of the next page.

    Fields `without` which an item can be read are not fetched. See up_to() for its size.
    """
    if cursor:
        query = {**query, "_id": {"$lt": cursor}}
    newest = collection.find(query, dict.fromkeys(without, 0)).sort("_id", -1)
    items, more = await up_to(newest.limit(limit + 1), read, limit, most_bytes)
    return items, items[-1].id if more else None


async def up_to(
    found: Any, read: Callable[[Document], T], limit: int, most_bytes: int
) -> tuple[list[T], bool]:
    """Return the first `limit` items, or fewer when they have more bytes as JSON, and at least one.

    And whether there are more: `found` has to go one beyond the limit.
    """
    items: list[T] = []
    size = 0
    documents: AsyncIterable[Document] = found.batch_size(BATCH)
    async for document in documents:
        item = read(document)
        size += size_of(item)
        if len(items) == limit or (items and size > most_bytes):
            return items, True
        items.append(item)
    return items, False
