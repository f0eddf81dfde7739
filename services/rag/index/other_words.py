"""The words of scripts other than Latin, as numbers of a sparse vector.

Chinese, Japanese and Thai are cut into words by the segmenter that is in qdrant-edge, words of a
few scripts lose their endings by its stemmers. Korean, whose words end with particles, and scripts
without spaces that nobody cuts are taken in pairs of letters, all others by how words begin.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import pairwise

import qdrant_edge as edge

from libs.language.other_stop_words import other_stop_words
from libs.language.scripts import by_script

Runs = Mapping[str, Sequence[str]]
"""Runs of letters by the name of their script, see libs.language.scripts."""

AVERAGE_WORDS = 30.0
"""What BM25 takes for the usual length of a chunk: such texts are short, and this weighs little."""
BEGINNING = 5
"""Letters of a word that are compared where no stemmer knows its endings."""
_STEMMED = {"CYRILLIC": "russian", "GREEK": "greek", "ARABIC": "arabic"}
_SEGMENTED = {"HAN", "THAI"}
_IN_PAIRS = {"HANGUL", "LAO", "MYANMAR", "KHMER", "TIBETAN"}
_SIGNS = re.compile("[\u0589\u05be\u05f3\u05f4\u060c\u061b\u061f\u06d4\u0964\u0965\u30fb]+")
"""Punctuation among the letters of these scripts."""


def other_words_of_passage(runs: Runs) -> dict[int, float]:
    """Return the words of a text with their weights in it (BM25)."""
    weights: dict[int, float] = {}
    for encoder, text in _encoded(runs):
        words = encoder.embed_document(text)
        weights |= dict(zip(words.indices, words.values, strict=True))
    return weights


def other_words_of_question(runs: Runs) -> list[int]:
    """Return the words of a question, without those that only ask."""
    return [word for word in _all(runs) if word not in _stop_words()]


def _all(runs: Runs) -> list[int]:
    return [word for encoder, text in _encoded(runs) for word in encoder.embed_query(text).indices]


@cache
def _stop_words() -> frozenset[int]:
    return frozenset(_all(by_script(other_stop_words())[1]))


def _encoded(runs: Runs) -> Iterator[tuple[edge.Bm25, str]]:
    """Yield what is made of each script, and by which encoder."""
    for script, found in runs.items():
        text = _SIGNS.sub(" ", " ".join(found))
        if script in _SEGMENTED:
            yield _encoder("english", edge.TokenizerType.Multilingual), text
        elif script in _STEMMED:
            yield _encoder(_STEMMED[script], edge.TokenizerType.Word), text
        elif script in _IN_PAIRS:
            yield _encoder("english", edge.TokenizerType.Whitespace), " ".join(_pairs(text))
        else:
            yield _encoder("english", edge.TokenizerType.Whitespace), " ".join(_beginnings(text))


@cache
def _encoder(language: str, tokenizer: edge.TokenizerType) -> edge.Bm25:
    config = edge.Bm25Config(language=language, tokenizer=tokenizer, avg_len=AVERAGE_WORDS)
    return edge.Bm25(config)


def _pairs(text: str) -> Iterator[str]:
    for word in text.split():
        yield from map("".join, pairwise(word)) if len(word) > 1 else [word]


def _beginnings(text: str) -> Iterator[str]:
    return (word[:BEGINNING] for word in text.split())
