"""The cases of cases.toml."""

import tomllib
from pathlib import Path

import msgspec

HERE = Path(__file__).parent
FILES = HERE / "files"


class Ask(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A question and what its answer must be; cases.toml says what each field means."""

    question: str
    says: tuple[str, ...] = ()
    first: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    nowhere: tuple[str, ...] = ()
    once: bool = False
    unknown: bool = False
    or_unknown: bool = False
    or_notes: tuple[str, ...] = ()


class Case(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that an owner gives an agent; cases.toml says what each field means."""

    about: str
    file: str = ""
    posted: str = ""
    site: str = ""
    host: str = "127.0.0.1"
    max_pages: int | None = None
    fails: tuple[str, ...] = ()
    may_fail: tuple[str, ...] | None = None
    refused: bool = False
    may_refuse: bool = False
    notes: bool = False
    pages: int | None = None
    ask: tuple[Ask, ...] = ()

    @property
    def name(self) -> str:
        """What the case is called in a test run."""
        return self.file or self.posted or f"site-{self.site}"


def cases() -> list[Case]:
    """Return all cases, in the file's order."""
    found = tomllib.loads((HERE / "cases.toml").read_text())
    return msgspec.convert(found["case"], list[Case])
