"""What surrounds every request: its id, headers on every response, CORS, JSON bodies only."""

import time
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from libs.runtime.ids import new_id
from services.api.cache import Directory
from services.api.errors import UnsupportedMediaType
from services.api.limits import headers as rate_limit_headers

EXPOSED = (
    "X-Request-Id, X-Message-Id, X-Conversation-Id, X-Visitor-Token, Idempotent-Replayed, "
    "X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, RateLimit, RateLimit-Policy, "
    "Retry-After"
)
ALLOWED_HEADERS = "Authorization, Content-Type, X-Visitor-Token, Idempotency-Key, Last-Event-ID"
ALLOWED_METHODS = "GET, POST, OPTIONS"
PREFLIGHT_AGE = "600"
# The page of the reference starts itself with a script and styles that are written into it.
PAGE_POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
)
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class Edge:
    """The outermost ASGI layer: names the request and answers CORS preflights.

    A preflight carries no key, so it is allowed for the origins of any publishable key; the request
    itself is held against the origins of its own key.
    """

    def __init__(self, app: ASGIApp, directory: Directory) -> None:
        self._app = app
        self._directory = directory

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == ScopeType.HTTP:
            scope.setdefault("state", {})["request_id"] = new_id("req")
            asked = _preflight_origin(scope)
            if asked is not None:
                await self._preflight(asked, send)
                return
        await self._app(scope, receive, send)

    async def _preflight(self, origin: str, send: Send) -> None:
        headers = [(b"vary", b"Origin")]
        if await self._directory.origin_is_known(origin):
            headers += [
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-allow-methods", ALLOWED_METHODS.encode()),
                (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
                (b"access-control-max-age", PREFLIGHT_AGE.encode()),
            ]
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def _preflight_origin(scope: HTTPScope) -> str | None:
    if scope["method"] != "OPTIONS":
        return None
    headers = dict(scope["headers"])
    if b"access-control-request-method" not in headers:
        return None
    return headers.get(b"origin", b"").decode("latin-1")


async def add_headers(message: Message, scope: Scope) -> None:
    """Put the headers on a response that every response has. A Litestar `before_send` hook."""
    if message["type"] != "http.response.start":
        return
    state = scope["state"]
    headers = MutableScopeHeaders.from_message(message)
    headers["X-Request-Id"] = state.get("request_id", "")
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    if scope["path"].startswith("/docs"):
        headers["Content-Security-Policy"] = PAGE_POLICY
    else:
        headers["Content-Security-Policy"] = DATA_POLICY
        headers.setdefault("Cache-Control", "no-store")
    for name, value in rate_limit_headers(state.get("rate_windows", ()), time.time()):
        headers[name] = value
    if origin := state.get("cors_origin"):
        headers["Access-Control-Allow-Origin"] = origin
        headers["Access-Control-Expose-Headers"] = EXPOSED
        headers["Vary"] = "Origin"


async def media_type_only(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """Raise UnsupportedMediaType for a body that the handler does not take. A Litestar guard.

    It takes JSON, unless its `opt` names another `media_type`.
    """
    if connection.scope.get("method") not in {"POST", "PUT", "PATCH"}:
        return
    headers = connection.headers
    if headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers:
        return
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = handler.opt.get("media_type", "application/json")
    if content_type != taken:
        raise UnsupportedMediaType(f"Content-Type has to be {taken}")
