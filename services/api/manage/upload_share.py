"""Files on their way in: so many at a time of one account, counted before any of a file is read."""

from collections import Counter

from litestar.types import ASGIApp, Receive, Scope, Send

from services.api.http.errors import Overloaded


class UploadShare:
    """A middleware of the routes that take files, behind the authentication.

    Each route has its own; they share what is `under_way`, by account.
    """

    def __init__(self, app: ASGIApp, each: int, under_way: Counter[str]) -> None:
        self._app = app
        self._each = each
        self._under_way = under_way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request in, or raise Overloaded."""
        caller = scope.get("user")
        if caller is None:  # OPTIONS, which needs no key
            await self._app(scope, receive, send)
            return
        account_id = caller.account.id
        if self._under_way[account_id] >= self._each:
            raise Overloaded("Too many files of this account are being uploaded right now.")
        self._under_way[account_id] += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._under_way[account_id] -= 1
            if not self._under_way[account_id]:
                del self._under_way[account_id]
