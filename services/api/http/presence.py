"""Whether the client is still there while it waits for a whole answer."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from litestar import Request

from services.api.http.errors import ClientLeft

T = TypeVar("T")


async def while_connected(request: Request[Any, Any, Any], work: Coroutine[Any, Any, T]) -> T:
    """Return what the work does; end it, and raise ClientLeft, when the client goes."""
    working = asyncio.ensure_future(work)
    leaving = asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientLeft("The client has left.")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(request: Request[Any, Any, Any]) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
