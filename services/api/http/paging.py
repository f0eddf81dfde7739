"""Cursor pagination, the same for every list."""

from typing import Annotated, Generic, TypeVar

import msgspec
from litestar.params import Parameter

Item = TypeVar("Item")

Cursor = Annotated[
    str | None,
    Parameter(query="cursor", max_length=100, description="`next_cursor` of the page before"),
]
Limit = Annotated[
    int, Parameter(query="limit", ge=1, le=100, description="Most items in the response")
]
MOST_A_PAGE = 100
DEFAULT_LIMIT = 50


class Page(msgspec.Struct, Generic[Item], kw_only=True):
    """A part of a list. `next_cursor` is null on the last one."""

    items: list[Item]
    next_cursor: str | None = None
    has_more: bool = False


def page(items: list[Item], next_cursor: str | None) -> Page[Item]:
    """Build a page."""
    return Page(items=items, next_cursor=next_cursor, has_more=next_cursor is not None)
