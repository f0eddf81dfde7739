"""The words of a text, for finding what a vector of its meaning blurs: codes, names, figures.

Words are in English where the glossary knows them, without endings, and each is a number: what a
sparse vector of Qdrant is made of, embedded or on a server.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice

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


def words_of_passage(text: str) -> edge.SparseVector:
    """Return the words of a text with their weights in it (BM25)."""
    return _encoder.embed_document(_prepared(text))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a question, each once, and those of them that are codes ("PB-30K", "E21")."""

    all: tuple[int, ...]
    codes: frozenset[int] = frozenset()


def words_of_question(text: str) -> Words:
    """Return the words of a question; those that every text has are left out."""
    prepared = _prepared(text)
    codes = " ".join(islice((code[0] for code in _CODE.finditer(prepared)), MOST_CODES))
    return Words(tuple(_numbers(prepared)[:MOST_WORDS]), frozenset(_numbers(codes)))


def _numbers(text: str) -> list[int]:
    return _encoder.embed_query(text).indices


def _prepared(text: str) -> str:
    english = in_english(text)
    return " ".join([english, *_joined(english)])


def _joined(text: str) -> Iterable[str]:
    return (_SEPARATORS.sub("", found) for found in _JOINED.findall(text))
