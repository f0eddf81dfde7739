"""The settings table of docs/operating.md, from the settings classes: `make docs` writes it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from alonchat.settings import StackSettings
from libs.runtime.settings import Settings
from services.api.settings import ApiSettings
from services.billing.settings import BillingSettings
from services.llm.settings import LlmSettings
from services.rag.settings import RagSettings
from services.webhooks.settings import WebhooksSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "operating.md"
BEGIN = "<!-- settings: written by `make docs` -->"
END = "<!-- end of settings -->"
CLASSES: dict[str, type[BaseSettings]] = {
    "every service": Settings,
    "alonchat up": StackSettings,
    "api": ApiSettings,
    "rag": RagSettings,
    "llm": LlmSettings,
    "billing": BillingSettings,
    "webhooks": WebhooksSettings,
}


def rows() -> Iterator[str]:
    """One row for each setting of each class that is not every service's."""
    for owner, settings in CLASSES.items():
        for name, field in settings.model_fields.items():
            if owner != "every service" and name in Settings.model_fields:
                continue
            meaning = (field.description or "").replace("<", "&lt;")  # a tag would not be shown
            yield f"| `{name.upper()}` | {owner} | {_shown(field.default)} | {meaning} |"


def _shown(default: object) -> str:
    """Return a default as it would be set, nothing where there is none."""
    if default in (PydanticUndefined, None):
        return ""
    if isinstance(default, tuple):
        default = ",".join(f"{one:g}" if isinstance(one, float) else str(one) for one in default)
    text = str(default).lower() if isinstance(default, bool) else str(default)
    return f"`{text}`" if text else ""


def written(document: str) -> str:
    """The document with the table in its place."""
    table = "\n".join(["| Setting | Of | Default | Meaning |", "|---|---|---|---|", *rows()])
    before, rest = document.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
