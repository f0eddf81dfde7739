"""The words of a text, for finding what a vector of its meaning blurs: codes, names, figures.

Words are in English where the glossary knows them, without endings, and each is a number: what a
sparse vector of Qdrant is made of, embedded or on a server. Those of other letters than Latin are
in other_words.py.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

import qdrant_edge as edge

from libs.language.folding import asked
from libs.language.glossary import in_english
from libs.language.scripts import by_script, normal
from services.rag.index.other_words import other_words_of_passage, other_words_of_question

AVERAGE_WORDS = 60.0
"""What BM25 takes for the usual length of a chunk."""

MOST_WORDS = 500
"""Different words of a question that are searched for; each costs the index a look."""
MOST_CODES = 100

_encoder = edge.Bm25(edge.Bm25Config(language="english", avg_len=AVERAGE_WORDS))
# "PB-30K" is found by "pb30k" as well, "Wi-Fi" by "wifi".
_JOINED = re.compile(r"(?<![^\W_])[^\W_]++(?:[-/.][^\W_]++)++")
_CODE = re.compile(r"(?<![\w-])(?:[a-z]++\d\w*+|\d{5,}+)(?![\w-])", re.IGNORECASE)
_SPACED_CODE = re.compile(r"(?<![^\W_])[A-Z]{1,4} \d{2,6}(?![^\W_])")
"""A code that is written apart: "AF 2120"."""
_SEPARATORS = re.compile(r"[-/.]")
_PHONE = re.compile(r"\+?\(?\d(?:[\s()/.-]{0,2}\d){6,14}")
_NO_FIGURE = re.compile(r"\D")
TEL = "tel"
PHONE_FIGURES = 7
"""Figures at the end of a phone number that are compared: what comes before may be left out."""


def words_of_passage(text: str, question: str = "") -> edge.SparseVector:
    """Return the words of a text with their weights in it (BM25).

    What answers a stored `question` has one more: the question as a whole.
    """
    latin, others = by_script(normal(text))
    prepared = f"{_prepared(latin)} {_stored(question)}" if question else _prepared(latin)
    words = _encoder.embed_document(prepared)
    if not others:
        return words
    weights = {
        **dict(zip(words.indices, words.values, strict=True)),
        **other_words_of_passage(others),
    }
    return edge.SparseVector(list(weights), list(weights.values()))


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a question, each once, and those of them that are codes ("PB-30K", "E21").

    `stored` is the word of passages whose stored question it is. `known`: the embedding model knows
    the language, so that vectors mean something.
    """

    all: tuple[int, ...]
    codes: frozenset[int] = frozenset()
    stored: int | None = None
    known: bool = True

    @property
    def searched(self) -> tuple[int, ...]:
        """What passages are searched for."""
        return self.all if self.stored is None else (*self.all, self.stored)


def words_of_question(text: str, stored: str = "", *, known: bool = True) -> Words:
    """Return the words of a question; those that every text has are left out.

    `stored` is what may have been stored as a question, when that is not the same text.
    """
    latin, others = by_script(normal(text))
    prepared = _prepared(latin)
    found = [code[0] for code in islice(_CODE.finditer(prepared), MOST_CODES)]
    if any(code.startswith(TEL) for code in found):  # which is compared by its last figures
        found = [code for code in found if not code.isdigit()]
    every = [*_numbers(prepared), *other_words_of_question(others)]
    return Words(
        tuple(every[:MOST_WORDS]),
        frozenset(_numbers(" ".join(found))),
        _numbers(_stored(stored or text))[0],
        known,
    )


def _stored(question: str) -> str:
    """Return a word that all ways to type a question have in common, and no other question has."""
    digest = blake2b(asked(question).encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return f"stored{digest}x"


def _numbers(text: str) -> list[int]:
    return _encoder.embed_query(text).indices


def _prepared(text: str) -> str:
    english = in_english(text)
    return " ".join([english, *_joined(english), *_phones(english)])


def _phones(text: str) -> Iterable[str]:
    """Yield the last figures of phone numbers: +63 917 123 4567 is 0917 123 4567 as well."""
    for found in _PHONE.findall(text):
        figures = _NO_FIGURE.sub("", found)
        if len(figures) >= PHONE_FIGURES:
            yield f"{TEL}{figures[-PHONE_FIGURES:]}"


def _joined(text: str) -> Iterable[str]:
    yield from (_SEPARATORS.sub("", found) for found in _JOINED.findall(text))
    yield from ("".join(found.split()) for found in _SPACED_CODE.findall(text))
