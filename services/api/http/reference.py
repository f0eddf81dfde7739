"""The documents of the API (OpenAPI) and the bus (AsyncAPI), and the page at /docs.

The page loads nothing from elsewhere.
Swagger UI's files come from the package flask-openapi3-swagger, of which no code runs.
"""

from collections.abc import Iterator
from functools import cache
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar, MediaType, Response, get
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import (
    Components,
    OpenAPI,
    OpenAPIMediaType,
    OpenAPIResponse,
    OpenAPIType,
    Operation,
    Reference,
    Schema,
    SecurityScheme,
    Tag,
)
from litestar.router import Router
from litestar.routes import HTTPRoute
from litestar.static_files import create_static_files_router

from libs.contracts.asyncapi import asyncapi
from services.api.http import sse

ASSETS = "/docs/assets"

DESCRIPTION = """
Send messages to your agents and receive answers grounded in their own sources.

Every request carries an API key: `Authorization: Bearer YOUR_API_KEY`. A *secret* key has full
access and stays on your server. A *publishable* key may be read by anyone: it belongs to one agent
and the origins of your pages, chats, and reads back only the conversations of its visitor.

What the services send each other on the bus is in [asyncapi.json](asyncapi.json).
"""

TAGS = [
    Tag(name="Chat", description="Messages and conversations."),
    Tag(name="Agents", description="Who answers."),
    Tag(name="Sources", description="What an agent knows."),
    Tag(name="Keys", description="Who may ask."),
    Tag(name="Webhooks", description="Who is told."),
    Tag(name="Conversations", description="What was said."),
    Tag(name="Credits and usage", description="What it cost."),
    Tag(name="Health", description="For operators and load balancers."),
]


def openapi_config() -> OpenAPIConfig:
    """Return how the document is made and shown."""
    return OpenAPIConfig(
        title="AlonChat Chat API",
        version="1",
        description=DESCRIPTION,
        path="/docs",
        tags=TAGS,
        components=Components(
            security_schemes={"ApiKey": SecurityScheme(type="http", scheme="bearer")}
        ),
        security=[{"ApiKey": []}],
        render_plugins=[
            SwaggerRenderPlugin(
                path="/",
                favicon="<link rel='icon' href='data:,'>",
                js_url=f"{ASSETS}/js/swagger-ui-bundle.js",
                css_url=f"{ASSETS}/css/swagger-ui.css",
                standalone_preset_js_url=f"{ASSETS}/js/swagger-ui-standalone-preset.js",
            )
        ],
    )


@get("/docs/asyncapi.json", opt={"public": True}, include_in_schema=False)
async def bus_document() -> Response[bytes]:
    """Return what the services send each other, as AsyncAPI."""
    return Response(_bus_document(), media_type=MediaType.JSON)


@cache
def _bus_document() -> bytes:
    return msgspec.json.encode(asyncapi())


def assets_router() -> Router:
    """Serve the page's scripts and styles."""
    return create_static_files_router(
        path=ASSETS, directories=[_assets()], opt={"public": True}, include_in_schema=False
    )


def _assets() -> Path:
    spec = find_spec("flask_openapi3_swagger")
    if spec is None or spec.origin is None:
        raise RuntimeError("the package flask-openapi3-swagger is not installed")
    return Path(spec.origin).parent / "templates" / "swagger"


def document_errors(document: OpenAPI) -> None:
    """Add to each operation the errors that it can answer with, all in the one envelope.

    Litestar documents what a handler returns; the errors come from the layers around it.
    """
    schemas = document.components.schemas or {}
    document.components.schemas = {**schemas, "ErrorBody": ERROR_SCHEMA}
    for path, item in (document.paths or {}).items():
        for operation in (item.get, item.post, item.put, item.patch, item.delete):
            if operation is None or operation.responses is None:
                continue
            if path.endswith(("/chat", "/stream")):
                _document_stream(operation)
            for status in _errors(path, operation):
                operation.responses[str(status)] = OpenAPIResponse(
                    description=HTTPStatus(status).phrase,
                    content={"application/json": OpenAPIMediaType(schema=ERROR_REFERENCE)},
                )


def document_bodies(app: Litestar) -> None:
    """Describe what is taken as it is decoded: constraints of items, no fields but these."""
    bodies = {
        handler.parsed_data_field.annotation
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        if handler.parsed_data_field is not None and "media_type" not in handler.opt
    }
    reference = "#/components/schemas/{name}"
    _, schemas = msgspec.json.schema_components(bodies, ref_template=reference)
    components: dict[str, Any] = app.openapi_schema.components.schemas
    components.update(schemas)


def _document_stream(operation: Operation) -> None:
    response = (operation.responses or {})["200"]
    if isinstance(response, OpenAPIResponse):
        events = OpenAPIMediaType(schema=EVENT_SCHEMA)
        response.content = {**(response.content or {}), sse.MEDIA_TYPE: events}


def _errors(path: str, operation: Operation) -> Iterator[int]:
    yield from (400, 500, 503)
    if operation.security != [{}]:
        yield from (401, 403, 429)
    if "{" in path:
        yield 404
    if operation.request_body is not None:
        yield from (409, 413, 415)
    if path.endswith("/chat"):
        yield from (402, 422)


EVENT_SCHEMA = Schema(
    type=OpenAPIType.OBJECT,
    description="One server-sent event; `data` is JSON",
    required=["id", "event", "data"],
    properties={
        "id": Schema(type=OpenAPIType.STRING),
        "event": Schema(
            type=OpenAPIType.STRING, enum=["sources", "text", "reset", "done", "error"]
        ),
        "data": Schema(type=OpenAPIType.STRING),
    },
)
ERROR_REFERENCE = Reference("#/components/schemas/ErrorBody")
ERROR_SCHEMA = Schema(
    type=OpenAPIType.OBJECT,
    required=["error"],
    properties={
        "error": Schema(
            type=OpenAPIType.OBJECT,
            required=["code", "message"],
            properties={
                "code": Schema(type=OpenAPIType.STRING, description="For programs"),
                "message": Schema(type=OpenAPIType.STRING, description="For people"),
                "retry_after": Schema(type=OpenAPIType.INTEGER, description="Seconds"),
                "param": Schema(type=OpenAPIType.STRING, description="The field to blame"),
                "request_id": Schema(type=OpenAPIType.STRING),
            },
        )
    },
)
