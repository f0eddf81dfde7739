"""What one account does takes turns, so that a burst of it keeps nobody else from the database.

Changes are a few commits each; those of all accounts wait for each other there. Messages that are
being accepted have lines of their own (accept.py), files have a share (upload_share.py).

An account that no other is there beside need not wait: work that is done together costs less, and a
limit that always held took a quarter of its answers from it (`make bench-quick`).
"""

import math
from contextlib import AsyncExitStack
from weakref import WeakValueDictionary

from anyio import CapacityLimiter
from cachetools import TTLCache
from litestar.datastructures import Headers
from litestar.types import (
    ASGIApp,
    HTTPReceiveMessage,
    Receive,
    Scope,
    Send,
    WebSocketReceiveMessage,
)

ALONE = 5.0
"""Seconds after which an account that asked for no turn is not there any more."""
OWN_ROOM = "own_room"
"""The `opt` of a route whose requests are no changes that take turns."""
CHANGES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


class Present:
    """The accounts that are there: those that asked for a turn of any kind lately."""

    def __init__(self) -> None:
        # Two are enough to know that nobody is alone.
        self._lately: TTLCache[str, bool] = TTLCache(maxsize=2, ttl=ALONE)

    def is_alone(self, account_id: str) -> bool:
        """Note that an account is there; tell whether no other is."""
        self._lately[account_id] = True
        return len(self._lately) == 1


class FairOrder:
    """The order of all accounts: `each` has so many at once when others are there too."""

    def __init__(self, each: int, present: Present) -> None:
        self._each = each
        self._present = present
        self._share: float = each
        self._lines: WeakValueDictionary[str, CapacityLimiter] = WeakValueDictionary()

    def of(self, account_id: str) -> CapacityLimiter:
        """Return an account's line: a turn lasts as long as it is held."""
        self._shared_by_all(math.inf if self._present.is_alone(account_id) else self._each)
        line = self._lines.get(account_id)
        if line is None:
            line = self._lines[account_id] = CapacityLimiter(self._share)
        return line

    def _shared_by_all(self, share: float) -> None:
        if share != self._share:
            self._share = share
            for line in self._lines.values():
                line.total_tokens = share


class ChangesInFairOrder:
    """A middleware behind the authentication."""

    def __init__(self, app: ASGIApp, fair: FairOrder) -> None:
        self._app = app
        self._fair = fair

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, when it is its turn."""
        caller = scope.get("user")
        own_room = scope["route_handler"].opt.get(OWN_ROOM)
        if caller is None or own_room or scope.get("method") not in CHANGES:
            await self._app(scope, receive, send)
            return
        async with AsyncExitStack() as turn:
            line = self._fair.of(caller.account.id)
            if _has_body(scope):
                receive = _then_in_turn(receive, line, turn)
            else:
                await turn.enter_async_context(line)
            await self._app(scope, receive, send)


def _has_body(scope: Scope) -> bool:
    headers = Headers.from_scope(scope)
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"


def _then_in_turn(receive: Receive, line: CapacityLimiter, turn: AsyncExitStack) -> Receive:
    """Return what waits for the turn once the body is there: a slow one makes nobody wait."""
    waits = True

    async def received() -> HTTPReceiveMessage | WebSocketReceiveMessage:
        nonlocal waits
        message = await receive()
        if waits and message["type"] == "http.request" and not message["more_body"]:
            waits = False
            await turn.enter_async_context(line)
        return message

    return received
