"""The words of a text, for finding what a vector of its meaning blurs: codes, names, figures.

Words are in English where the glossary knows them, without endings, and each is a number: what a
sparse vector of Qdrant is made of, embedded or on a server.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice, pairwise

import qdrant_edge as edge

from libs.language.glossary import in_english

AVERAGE_WORDS = 60.0
"""What BM25 takes for the usual length of a chunk."""

MOST_WORDS = 500
"""Different words of a question that are searched for; each costs the index a look."""
MOST_CODES = 100

_encoder = edge.Bm25(edge.Bm25Config(language="english", avg_len=AVERAGE_WORDS))
# "PB-30K" is found by "pb30k" as well, "Wi-Fi" by "wifi".
_JOINED = re.compile(r"(?<![^\W_])[^\W_]++(?:[-/.][^\W_]++)++")
_CODE = re.compile(r"(?<![\w-])(?:[a-z]++\d\w*+|\d{5,}+)(?![\w-])", re.IGNORECASE)
_SEPARATORS = re.compile(r"[-/.]")
_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]{2,}"
)
"""Thai, Lao, Burmese, Khmer, Kana, Han and Hangul."""
_PHONE = re.compile(r"\+?\(?\d(?:[\s()/.-]{0,2}\d){6,14}")
_NO_FIGURE = re.compile(r"\D")
TEL = "tel"
PHONE_FIGURES = 7
"""Figures at the end of a phone number that are compared: what comes before may be left out."""


def words_of_passage(text: str) -> edge.SparseVector:
    """Return the words of a text with their weights in it (BM25)."""
    return _encoder.embed_document(_prepared(text))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a question, each once, and those of them that are codes ("PB-30K", "E21")."""

    all: tuple[int, ...]
    codes: frozenset[int] = frozenset()
    known: bool = True
    """Whether the embedding model knows the language, so that vectors mean something."""


def words_of_question(text: str) -> Words:
    """Return the words of a question; those that every text has are left out."""
    prepared = _prepared(text)
    found = [code[0] for code in islice(_CODE.finditer(prepared), MOST_CODES)]
    if any(code.startswith(TEL) for code in found):  # which is compared by its last figures
        found = [code for code in found if not code.isdigit()]
    codes = " ".join(found)
    return Words(tuple(_numbers(prepared)[:MOST_WORDS]), frozenset(_numbers(codes)))


def _numbers(text: str) -> list[int]:
    return _encoder.embed_query(text).indices


def _prepared(text: str) -> str:
    english = in_english(text)
    return " ".join([english, *_joined(english), *_pairs(english), *_phones(english)])


def _pairs(text: str) -> Iterable[str]:
    """Yield the pairs of letters of scripts that put no spaces between their words."""
    for found in _UNSPACED.findall(text):
        yield from map("".join, pairwise(found))


def _phones(text: str) -> Iterable[str]:
    """Yield the last figures of phone numbers: +63 917 123 4567 is 0917 123 4567 as well."""
    for found in _PHONE.findall(text):
        figures = _NO_FIGURE.sub("", found)
        if len(figures) >= PHONE_FIGURES:
            yield f"{TEL}{figures[-PHONE_FIGURES:]}"


def _joined(text: str) -> Iterable[str]:
    return (_SEPARATORS.sub("", found) for found in _JOINED.findall(text))
