"""Splits a text into what is in Latin letters and what is in other ones, by script. Pure."""

import re
import unicodedata
from functools import lru_cache

_OTHER = re.compile(
    "[\u0370-\u1dff\u1f00-\u1fff\u2c80-\u2dff\u3005-\u3007\u3040-\ufdff\ufe70-\ufefe"
    "\U00010000-\U0001afff\U00020000-\U0003ffff]+"
)
"""Letters behind Latin in Unicode, with their marks; signs and punctuation are in between."""
_ONE = {"CJK": "HAN", "HIRAGANA": "HAN", "KATAKANA": "HAN", "IDEOGRAPHIC": "HAN"}
"""Scripts that one language writes side by side."""
CHARACTERS = 4_096
"""Characters whose script is remembered."""


def normal(text: str) -> str:
    """Return a text in the usual form of its characters: full-width letters are letters."""
    return text if text.isascii() else unicodedata.normalize("NFKC", text)


def by_script(text: str) -> tuple[str, dict[str, list[str]]]:
    """Return a text without its letters that are not Latin, and these: runs of them by script.

    A script is named as in Unicode ("CYRILLIC", "THAI"); those of Chinese and Japanese are "HAN".
    """
    if text.isascii():
        return text, {}
    runs: dict[str, list[str]] = {}
    for run in _OTHER.findall(text):
        runs.setdefault(script_of(run[0]), []).append(run)
    return (_OTHER.sub(" ", text), runs) if runs else (text, {})


@lru_cache(CHARACTERS)
def script_of(letter: str) -> str:
    """Return the name of a letter's script."""
    name = unicodedata.name(letter, "").partition(" ")[0]
    return _ONE.get(name, name)
