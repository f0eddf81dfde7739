"""What of docs/ is made from the code: `make docs` writes it, `make check` compares it.

`python -m tests.documents.interfaces --check` says which documents are not what the code says.
"""

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from libs.contracts.asyncapi import asyncapi
from services.api.routes import application
from services.api.settings import ApiSettings
from tests.documents.picture import THEMES, picture

DOCS = Path(__file__).parents[2] / "docs"


def _openapi() -> dict[str, Any]:
    return application(None, ApiSettings.model_construct()).openapi_schema.to_schema()


SERVED: Mapping[str, Callable[[], dict[str, Any]]] = {
    "openapi.json": _openapi,
    "asyncapi.json": asyncapi,
}
"""The documents that the API serves below /docs, too."""


def _as_json(document: Callable[[], dict[str, Any]]) -> str:
    return json.dumps(document(), indent=1, ensure_ascii=False) + "\n"


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    **{name: partial(_as_json, document) for name, document in SERVED.items()},
    **{f"picture-{theme}.svg": partial(picture, theme) for theme in THEMES},
}


def main() -> int:
    """Write the documents, or only compare them."""
    stale = []
    for name, text_of in DOCUMENTS.items():
        path, text = DOCS / name, text_of()
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        print(f"docs/{', docs/'.join(stale)}: not what the code says; run `make docs`")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
