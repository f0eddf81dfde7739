"""What surrounds every request: its id, headers on every response, CORS, methods, bodies' types."""

import re
import time
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.datastructures import MutableScopeHeaders
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.routes import BaseRoute
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from libs.runtime.ids import new_id
from services.api.edge.known import KnownCallers
from services.api.edge.limits import headers as rate_limit_headers
from services.api.http.addresses import UNKNOWN, network
from services.api.http.errors import InvalidRequest, UnsupportedMediaType, allow
from services.api.http.slow_down import Refusals

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
PATH = re.compile(r"/[A-Za-z0-9._~:/-]{0,511}")
"""What the paths and ids here are made of. Nothing else is looked up, or becomes a cache's key."""
LONGEST_SEGMENT = 128
NOWHERE = "/-"
MOST_PARAMETERS = 20
DATA_POLICY = "default-src 'none'; frame-ancestors 'none'"


class Edge:
    """The outermost ASGI layer: names the request, answers CORS preflights, and HEAD as GET.

    A preflight carries no key, so it is allowed for the origins of any publishable key; the request
    itself is held against the origins of its own key.
    """

    def __init__(self, app: ASGIApp, directory: KnownCallers, refusals: Refusals) -> None:
        self._app = app
        self._directory = directory
        self._refusals = refusals

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == ScopeType.HTTP:
            scope.setdefault("state", {})["request_id"] = new_id("req")
            asked = _preflight_origin(scope)
            if asked is not None:
                await self._preflight(asked, scope, send)
                return
            if not well_formed(scope["path"]):
                scope["path"] = NOWHERE
            if scope["method"] == "HEAD":
                scope = {**scope, "method": "GET"}
                send = _without_body(send)
        await self._app(scope, receive, send)

    async def _preflight(self, origin: str, scope: HTTPScope, send: Send) -> None:
        headers = [(b"vary", b"Origin")]
        if await self._directory.origin_is_known(origin):
            headers += [
                (b"access-control-allow-origin", origin.encode()),
                (b"access-control-allow-methods", ALLOWED_METHODS.encode()),
                (b"access-control-allow-headers", ALLOWED_HEADERS.encode()),
                (b"access-control-max-age", PREFLIGHT_AGE.encode()),
            ]
        else:
            client = scope["client"]
            await self._refusals.hold_back(network(client[0]) if client else UNKNOWN)
        await send({"type": "http.response.start", "status": 204, "headers": headers})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def well_formed(path: str) -> bool:
    """Whether anything here can have such a path."""
    return bool(PATH.fullmatch(path)) and max(map(len, path.split("/"))) <= LONGEST_SEGMENT


def _without_body(send: Send) -> Send:
    """Answer HEAD as GET would begin to; a stream has no need to go on after that."""
    complete = False

    async def send_head(message: Message) -> None:
        nonlocal complete
        if message["type"] == "http.response.start":
            await send(message)
        elif not complete:
            complete = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return send_head


def _preflight_origin(scope: HTTPScope) -> str | None:
    if scope["method"] != "OPTIONS":
        return None
    headers = dict(scope["headers"])
    if b"access-control-request-method" not in headers:
        return None
    return headers.get(b"origin", b"").decode("latin-1")


def allowed_methods(routes: Iterable[BaseRoute]) -> dict[str, str]:
    """Return what `Allow` says of each path template."""
    methods: defaultdict[str, set[str]] = defaultdict(set)
    for route in routes:
        methods[route.path_format].update(getattr(route, "methods", ()))
    return {path: allow(found) for path, found in methods.items()}


async def add_headers(message: Message, scope: Scope) -> None:
    """Put the headers on a response that every response has. A Litestar `before_send` hook."""
    if message["type"] != "http.response.start":
        return
    state = scope["state"]
    headers = MutableScopeHeaders.from_message(message)
    if "Allow" in headers and "path_template" in scope:
        # The framework's answer to OPTIONS has the methods of one handler where a path has several.
        methods = scope["litestar_app"].state.allowed_methods
        headers["Allow"] = methods.get(scope["path_template"], headers["Allow"])
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


async def few_parameters(
    connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler
) -> None:
    """Raise InvalidRequest for a query of more parameters than there are. A Litestar guard."""
    if connection.scope["query_string"].count(b"&") >= MOST_PARAMETERS:
        raise InvalidRequest(f"There are more than {MOST_PARAMETERS} query parameters.")


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
    encoding = headers.get("content-encoding", "identity").strip().lower()
    if encoding not in {"", "identity"}:
        raise UnsupportedMediaType("Content-Encoding is not supported; send the body as it is.")
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    taken = handler.opt.get("media_type", "application/json")
    if content_type != taken:
        raise UnsupportedMediaType(f"Content-Type has to be {taken}")
