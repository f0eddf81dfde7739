"""The settings table of docs/operating.md, from the settings classes: `make docs` writes it."""

from collections.abc import Iterator
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings

from alonchat.stack.settings import StackSettings
from libs.runtime.settings import Settings
from services.api.settings import ApiSettings, DefaultModelSettings, ListenSettings
from services.billing.settings import BillingSettings
from services.llm.settings import LlmSettings
from services.rag.settings import IndexSettings, RagSettings
from services.webhooks.settings import WebhooksSettings

DOCUMENT = Path(__file__).parents[2] / "docs" / "operating.md"
BEGIN = "<!-- settings: written by `make docs` -->"
END = "<!-- end of settings -->"
SERVICES: dict[str, type[BaseSettings]] = {
    "every service": Settings,
    "api": ApiSettings,
    "rag": RagSettings,
    "llm": LlmSettings,
    "billing": BillingSettings,
    "webhooks": WebhooksSettings,
    "`alonchat up`": StackSettings,
}
FIRST: dict[str, type[BaseSettings]] = {
    "LLM_BASE_URL": DefaultModelSettings,
    "LLM_API_KEY": DefaultModelSettings,
    "LLM_MODEL": DefaultModelSettings,
    "HOST": ListenSettings,
    "PORT": ListenSettings,
    "TRUSTED_PROXIES": ListenSettings,
    "DATA_DIR": Settings,
    "NATS_URL": Settings,
    "MONGO_URL": Settings,
    "QDRANT_URL": IndexSettings,
}
"""The ten that most operators set, and where each is declared."""
HEAD = ("| Setting | Default | Meaning |", "|---|---|---|")


def tables() -> Iterator[str]:
    """The ten that matter first; then those of each service, by what they are for."""
    yield from ("### The ten that matter first", "", *HEAD)
    for name, settings in FIRST.items():
        yield _row(name.lower(), settings.model_fields[name.lower()])
    for service, settings in SERVICES.items():
        groups = list(_groups(settings))
        for group in groups:
            purpose = f": {_purpose(group)}" if len(groups) > 1 else ""
            yield from ("", f"### {service}{purpose}", "", *HEAD)
            for name in _own(group):
                yield _row(name, group.model_fields[name])


def _groups(settings: type[BaseSettings]) -> Iterator[type[BaseSettings]]:
    """Return the classes that declare settings of a service, in the order of its file."""
    for each in settings.__mro__:
        shared = each is Settings and settings is not Settings
        if issubclass(each, BaseSettings) and _own(each) and not shared:
            yield each


def _own(group: type[BaseSettings]) -> list[str]:
    return [name for name in group.model_fields if name in vars(group).get("__annotations__", {})]


def _purpose(group: type[BaseSettings]) -> str:
    first = (group.__doc__ or "").partition("\n")[0].rstrip(".")
    return first[:1].lower() + first[1:]


def _row(name: str, field: FieldInfo) -> str:
    meaning = (field.description or "").replace("<", "&lt;")  # a tag would not be shown
    return f"| `{name.upper()}` | {_shown(field.default)} | {meaning} |"


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
    table = "\n".join(tables())
    before, rest = document.split(BEGIN)
    return f"{before}{BEGIN}\n{table}\n{END}{rest.split(END)[1]}"


if __name__ == "__main__":
    DOCUMENT.write_text(written(DOCUMENT.read_text()))
