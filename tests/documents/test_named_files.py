"""Every file of this repository that the README, docs/ and the code speak of is there."""

import re
from pathlib import PurePosixPath

from tests.documents.tracked import ROOT, texts, tracked

_NAMED = re.compile(r"(?<![\w.:/<*-])((?:[\w.-]+/)*[\w-]+\.(?:py|md|toml|yaml|sh))(?![\w*/-])")
_CODE = re.compile(r"```.*?```", re.DOTALL)
OTHERS = frozenset({"llms.md"})
"""Files of others: of users, of clients, of what is made by an example."""


def named(path: PurePosixPath) -> set[PurePosixPath]:
    """Return the files that a text names."""
    text = _CODE.sub("", (ROOT / path).read_text("utf-8"))
    if path.suffix == ".py":
        text = _prose(text)
    return {PurePosixPath(name.replace("../", "")) for name in _NAMED.findall(text)}


def _prose(code: str) -> str:
    found = re.findall(r'"""(.*?)"""|# ([^\n]*)', code, re.DOTALL)
    return "\n".join(docstring or comment for docstring, comment in found)


def test_every_file_that_is_named_exists() -> None:
    """By its end: a module may be named from the folder that is spoken of."""
    ends = {
        tuple(one.parts[-length:]) for one in tracked() for length in range(1, len(one.parts) + 1)
    }
    missing = [
        f"{path}: {name}"
        for path in texts()
        for name in named(path)
        if name.parts not in ends and str(name) not in OTHERS
    ]
    assert missing == []
