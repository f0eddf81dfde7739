"""What a command prints: for people, or one JSON document on standard output with `--json`.

An error is one sentence on standard error, or `{"error": {"code", "message"}}`; exit code 1.
"""

import sys
from collections.abc import Sequence
from typing import Any, NoReturn

import msgspec


def show(document: Any, lines: Sequence[str], *, as_json: bool) -> None:
    """Print the document as JSON, or the lines."""
    if as_json:
        print(msgspec.json.encode(document).decode())
    else:
        print("\n".join(lines))


class Progress:
    """What a long command says while it works; with `--json` only the document at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self._as_json = as_json

    def say(self, line: str) -> None:
        """Say what is being done."""
        if not self._as_json:
            print(line, flush=True)

    def done(self, document: Any, text: str) -> None:
        """Say what came of it."""
        print(msgspec.json.encode(document).decode() if self._as_json else text, flush=True)


def fail(message: str, *, code: str = "failed", as_json: bool) -> NoReturn:
    """Say what went wrong and exit."""
    if as_json:
        error = {"code": code, "message": message}
        print(msgspec.json.encode({"error": error}).decode(), flush=True)
    else:
        print(f"alonchat: {message}", file=sys.stderr, flush=True)
    raise SystemExit(1)


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return lines with aligned columns."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (header, *rows)
    ]
