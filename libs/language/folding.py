"""What makes two questions the same one, word for word, however they are typed."""

import unicodedata
from functools import lru_cache

from libs.language.greeting import without_greeting

CHARACTERS = 4_096
"""Characters whose fold is remembered."""
_APOSTROPHES = "'`\u2018\u2019\u02bc\u00b4\u2032"
_KEPT = "#%&@*"
"""Punctuation that is part of a word: C#, 50%, R&B."""


def folded(text: str) -> str:
    """Return the letters, figures and signs of a text; case, width, punctuation, spaces aside."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return " ".join("".join(map(_folded, plain)).split())


def asked(question: str) -> str:
    """Return a question as folded, without the greeting in front; a bare greeting is one."""
    return folded(without_greeting(question)) or folded(question)


@lru_cache(CHARACTERS)
def _folded(character: str) -> str:
    if character.isspace():
        return " "
    kind = unicodedata.category(character)
    if kind in {"Cf", "Cc", "Cs"} or character in _APOSTROPHES:
        return ""
    kept = kind[0] in "LMN" or kind in {"Sc", "Sm"} or character in _KEPT
    return character if kept else " "
