"""Reads variants.toml: agents, what they know, and what they are asked."""

import csv
import io
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

VARIANTS = Path(__file__).parent / "variants.toml"
CROWD = 60
"""Questions of a crowd, more than a search returns."""
WIDE = 6
"""Rows of a wide table."""
LONG = 160
"""Sentences of a long answer."""


class Ask(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, rename={"is_": "is", "not_": "not"}):
    """A question in several wordings, and what the answer is; see variants.toml."""

    asks: list[str]
    is_: str = ""
    says: list[str] = []
    not_: list[str] = []
    first: list[str] = []
    unknown: bool = False
    or_unknown: bool = False
    answered: bool = False
    most: int = 0


class Agent(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """What an agent is given; see variants.toml."""

    name: str
    qa: list[tuple[str, str]] = []
    text: list[tuple[str, str]] = []
    files: dict[str, str] = {}
    crowd: tuple[str, str] | None = None
    wide: tuple[str, list[str]] | None = None
    long: tuple[str, str, str] | None = None
    ask: list[Ask]

    def pairs(self) -> Iterator[tuple[str, str]]:
        """Yield its questions and answers."""
        yield from self.qa
        if self.crowd:
            question, answer = self.crowd
            for number in range(CROWD):
                yield question.format(_name(number)), answer
        if self.long:
            question, sentence, hidden = self.long
            said = [sentence.format(number, number) for number in range(1, LONG)]
            yield question, " ".join([*said[:-20], hidden, *said[-20:]])

    def uploads(self) -> Iterator[tuple[str, str]]:
        """Yield its files, name and content."""
        yield from self.files.items()
        if self.wide:
            name, columns = self.wide
            rows = [[name.format(row), *(f"{row}{at:02}" for at in range(2, len(columns) + 2))] for row in range(1, WIDE)]
            written = io.StringIO()
            csv.writer(written).writerows([["Name", *columns], *rows])
            yield "wide.csv", written.getvalue()


def _name(number: int) -> str:
    return "".join("bcdfghjklm"[int(figure)] + "aeo"[number % 3] for figure in str(number + 1000))


def agents() -> list[Agent]:
    """Return all of them."""
    content: dict[str, Any] = tomllib.loads(VARIANTS.read_text())
    return msgspec.convert(content["agent"], list[Agent])
