"""Changes of one account take turns, so that a burst of them keeps nobody else from the database.

Each is a few commits; those of all accounts wait for each other there. Chat and files are not among
them: they have room of their own (admission.py, uploads.py).
"""

import asyncio
from weakref import WeakValueDictionary

from litestar.types import ASGIApp, Receive, Scope, Send

OWN_ROOM = "own_room"
"""The `opt` of a route that does not take turns."""
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Turns:
    """A middleware behind the authentication; the routes share the `lines`, by account."""

    def __init__(
        self, app: ASGIApp, each: int, lines: WeakValueDictionary[str, asyncio.Semaphore]
    ) -> None:
        self._app = app
        self._each = each
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, when it is its turn."""
        caller = scope.get("user")
        own_room = scope["route_handler"].opt.get(OWN_ROOM)
        if caller is None or own_room or scope.get("method") not in CHANGES:
            await self._app(scope, receive, send)
            return
        line = self._lines.get(caller.account.id)
        if line is None:
            line = self._lines[caller.account.id] = asyncio.Semaphore(self._each)
        async with line:
            await self._app(scope, receive, send)
