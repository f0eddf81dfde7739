"""docs/openapi.json and docs/asyncapi.json, from routes and queues: `make docs` writes them.

`python -m tests.documents.interfaces --check` says which of them is not what the code says.
"""

import json
import sys
from pathlib import Path
from typing import Any

from libs.contracts.asyncapi import asyncapi
from services.api.routes import application
from services.api.settings import ApiSettings

DOCS = Path(__file__).parents[2] / "docs"


def _openapi() -> dict[str, Any]:
    return application(None, ApiSettings.model_construct()).openapi_schema.to_schema()


DOCUMENTS = {"openapi.json": _openapi, "asyncapi.json": asyncapi}


def main() -> int:
    """Write the documents, or only compare them."""
    stale = []
    for name, document in DOCUMENTS.items():
        path = DOCS / name
        text = json.dumps(document(), indent=1, ensure_ascii=False) + "\n"
        if "--check" not in sys.argv:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        print(f"docs/{', docs/'.join(stale)}: not what the code says; run `make docs`")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main())
