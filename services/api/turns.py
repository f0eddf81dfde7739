"""What one account does takes turns, so that a burst of it keeps nobody else from the database.

Changes are a few commits each; those of all accounts wait for each other there. Messages that are
being accepted have lines of their own (accept.py), files have a share (upload_share.py).
"""

import asyncio
from weakref import WeakValueDictionary

from litestar.types import ASGIApp, Receive, Scope, Send

OWN_ROOM = "own_room"
"""The `opt` of a route whose requests are no changes that take turns."""
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Turns:
    """The turns of all accounts: `each` has so many at once, the rest wait in its own line."""

    def __init__(self, each: int) -> None:
        self._each = each
        self._lines: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    def of(self, account_id: str) -> asyncio.Semaphore:
        """Return an account's line: a turn lasts as long as it is held."""
        line = self._lines.get(account_id)
        if line is None:
            line = self._lines[account_id] = asyncio.Semaphore(self._each)
        return line


class ChangesTakeTurns:
    """A middleware behind the authentication."""

    def __init__(self, app: ASGIApp, turns: Turns) -> None:
        self._app = app
        self._turns = turns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, when it is its turn."""
        caller = scope.get("user")
        own_room = scope["route_handler"].opt.get(OWN_ROOM)
        if caller is None or own_room or scope.get("method") not in CHANGES:
            await self._app(scope, receive, send)
            return
        async with self._turns.of(caller.account.id):
            await self._app(scope, receive, send)
