"""Labelled sets: businesses, what their sources say, and what they are asked.

sets/<business>/sources.json, dev.json and test.json; what each holds is the structs below. Nothing
is ever fitted to a test.json.
"""

from pathlib import Path
from typing import Literal

import msgspec

SETS = Path(__file__).parent / "sets"

Half = Literal["dev", "test"]
Style = Literal["paraphrase", "tagalog", "keyword", "follow_up", "out_of_scope"]


class LabelledSource(msgspec.Struct, forbid_unknown_fields=True):
    """A source of an invented business; `file` stands beside the sources.json."""

    id: str
    kind: Literal["qa", "text", "file"]
    title: str
    question: str = ""
    answer: str = ""
    text: str = ""
    file: str = ""


class Turn(msgspec.Struct):
    """A question that was asked before, and its answer."""

    question: str
    answer: str


class Question(msgspec.Struct):
    """A question and the sources that answer it; none of them when it is out of scope.

    `passage` is an excerpt that the chunk must contain to be right, white space aside.
    """

    id: str
    style: Style
    question: str
    history: list[Turn] = []
    answered_by: list[str] = []
    passage: str | None = None


class Business(msgspec.Struct):
    """An agent's sources and the directory that its files are in."""

    name: str
    directory: Path
    sources: list[LabelledSource]


class _Sources(msgspec.Struct):
    name: str
    sources: list[LabelledSource]


class _Questions(msgspec.Struct):
    questions: list[Question]


def businesses(root: Path = SETS) -> list[Business]:
    """Return every labelled business, by name of its directory."""
    found = []
    for path in sorted(root.glob("*/sources.json")):
        content = msgspec.json.decode(path.read_bytes(), type=_Sources)
        found.append(Business(path.parent.name, path.parent, content.sources))
    return found


def questions(business: Business, half: Half) -> list[Question]:
    """Return what a business is asked in a half; nothing when it has no such half."""
    path = business.directory / f"{half}.json"
    if not path.exists():
        return []
    return msgspec.json.decode(path.read_bytes(), type=_Questions).questions
