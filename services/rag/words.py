"""The words of a text, for finding what a vector of its meaning blurs: codes, names, figures.

Words are in English where the glossary knows them, without endings, and each is a number: what a
sparse vector of Qdrant is made of, embedded or on a server.
"""

import re
from collections.abc import Iterable

import qdrant_edge as edge

from services.rag.glossary import in_english

AVERAGE_WORDS = 60.0
"""What BM25 takes for the usual length of a chunk."""

_encoder = edge.Bm25(edge.Bm25Config(language="english", avg_len=AVERAGE_WORDS))
# "PB-30K" is found by "pb30k" as well, "Wi-Fi" by "wifi".
_JOINED = re.compile(r"[^\W_]+(?:[-/.][^\W_]+)+")
_SEPARATORS = re.compile(r"[-/.]")


def words_of_passage(text: str) -> edge.SparseVector:
    """Return the words of a text with their weights in it (BM25)."""
    return _encoder.embed_document(_prepared(text))


def words_of_question(text: str) -> list[int]:
    """Return the words of a question, each once; those that every text has are left out."""
    return list(_encoder.embed_query(_prepared(text)).indices)


def _prepared(text: str) -> str:
    english = in_english(text)
    return " ".join([english, *_joined(english)])


def _joined(text: str) -> Iterable[str]:
    return (_SEPARATORS.sub("", found) for found in _JOINED.findall(text))
