"""Puts English for the Tagalog words that customers use, for a model that knows English only.

Word by word and without grammar: enough for "magkano ang delivery?" to be found near "How much is
the delivery fee?". Only what is searched or compared is changed, never what is shown.
Inflected words ("nagbabayad", "i-refund") are led back to their root by tagalog.py.
"""

import re
from functools import cache, lru_cache
from importlib.resources import files

from libs.language.tagalog import ENGLISH_VERB, roots

_WORD = re.compile(r"[a-z]+(?:-[a-z]+)*|d2", re.IGNORECASE)
_LONGEST = 40
"""Letters; nothing longer is a word."""
_REMEMBERED = 50_000
"""Words whose English is remembered: the vocabulary of many agents."""


def in_english(text: str) -> str:
    """Return the text with what is Tagalog in it replaced.

    Words that are English as well ("may", "at") and inflected ones are touched only in a text
    with a word that is Tagalog alone.
    """
    words = [word.lower() for word in _WORD.findall(text)]
    if not any(_is_tagalog(word) for word in words):
        return " ".join(text.split())
    return " ".join(_WORD.sub(_replaced, text).split())


def _replaced(found: re.Match[str]) -> str:
    word = found[0].lower()
    english = _english(word) if len(word) <= _LONGEST else word
    return found[0] if english == word else english


def _is_tagalog(word: str) -> bool:
    return _glossary().get(word, word) != word


@lru_cache(_REMEMBERED)
def _english(word: str) -> str:
    known = _glossary().get(word, _ambiguous().get(word))
    if known is not None:
        return known
    for root in roots(word):
        known = _glossary().get(root, _ambiguous().get(root))
        if known is not None:
            return known
    borrowed = ENGLISH_VERB.match(word)
    return borrowed[1] if borrowed else word


@cache
def _glossary() -> dict[str, str]:
    return {word: english for word, english in _entries() if not word.startswith("~")}


@cache
def _ambiguous() -> dict[str, str]:
    return {word[1:]: english for word, english in _entries() if word.startswith("~")}


def _entries() -> list[tuple[str, str]]:
    lines = files("libs.language").joinpath("glossary.tsv").read_text("utf-8").splitlines()
    rows = (line.partition("\t") for line in lines if not line.startswith("#"))
    return [(word, english) for word, _, english in rows]
