"""Settings from the environment; each service adds its own to these in services/<name>/settings.py.

A running embedded stack writes the addresses of its servers to `$DATA_DIR/stack.env`; the
environment wins over it. So every command finds the stack by the same settings.
"""

import os
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import BeforeValidator, Field, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

STACK_FILE = "stack.env"

T = TypeVar("T")


def _parts(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    return [part.strip() for part in value.split(",") if part.strip()]


CommaSeparated = Annotated[tuple[T, ...], NoDecode, BeforeValidator(_parts)]
"""Several values in one variable, with or without spaces around the commas."""


class SettingsError(Exception):
    """The settings can't be used; the message is one sentence for the operator."""


class Settings(BaseSettings):
    """What every service needs: its servers, its log."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    data_dir: Path = Field(Path(".data"), description="Where the embedded servers keep their state")
    nats_url: str = Field("", description="NATS server or cluster, comma separated")
    nats_replicas: int = Field(1, ge=1, le=5, description="Copies of each stream in a NATS cluster")
    mongo_url: str = Field("", description="MongoDB connection string")
    mongo_database: str = Field("alonchat", description="Name of the database")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="Least severe log events to write"
    )
    log_format: Literal["text", "json"] = Field("text", description="How log events are written")

    @classmethod
    def load(cls) -> Self:
        """Read the environment. Raises SettingsError naming what is wrong."""
        stack_file = Path(os.environ.get("DATA_DIR", ".data")) / STACK_FILE
        try:
            settings = cls(_env_file=stack_file)  # type: ignore[call-arg]  # pydantic-settings' own
        except ValidationError as error:
            raise SettingsError(_sentence(error)) from error
        for name in ("nats_url", "mongo_url"):
            if not getattr(settings, name):
                raise SettingsError(
                    f"{name.upper()} is not set and no embedded stack runs in "
                    f"{settings.data_dir}: set it, or start a stack with `make run`."
                )
        return settings


def _sentence(error: ValidationError) -> str:
    problems = (
        f"{'.'.join(str(part) for part in problem['loc']).upper()}: "
        f"{problem['msg'].removeprefix('Value error, ')}"
        for problem in error.errors(include_url=False)
    )
    return "; ".join(problems)
