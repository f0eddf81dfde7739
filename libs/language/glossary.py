"""Puts English for the Tagalog words that customers use, for what knows English only.

Word by word and without grammar: enough for "magkano ang delivery?" to be found near "How much is
the delivery fee?". Only what is embedded, or compared, is changed, never what is shown or put into
a prompt.
"""

import re
from functools import cache
from importlib.resources import files

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*", re.IGNORECASE)


def in_english(text: str) -> str:
    """Return the text with every word of the glossary replaced."""
    words = _glossary()
    return " ".join(_WORD.sub(lambda word: words.get(word[0].lower(), word[0]), text).split())


@cache
def _glossary() -> dict[str, str]:
    lines = files("libs.language").joinpath("glossary.tsv").read_text("utf-8").splitlines()
    entries = (line.partition("\t") for line in lines if not line.startswith("#"))
    return {tagalog: english for tagalog, _, english in entries}
