"""The OpenAPI document and the page that shows it, at /docs. The page loads nothing from elsewhere.

Swagger UI's files come from the package flask-openapi3-swagger, of which no code runs.
"""

from importlib.util import find_spec
from pathlib import Path

from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import SwaggerRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.router import Router
from litestar.static_files import create_static_files_router

ASSETS = "/docs/assets"

DESCRIPTION = """
Send messages to your agents and receive answers grounded in their own sources.

Every request carries an API key: `Authorization: Bearer YOUR_API_KEY`. A *secret* key has full
access and stays on your server. A *publishable* key may be read by anyone: it belongs to one agent
and the origins of your pages, chats, and reads back only the conversations of its visitor.
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
