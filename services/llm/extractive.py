"""The answerer without a model: it answers in the words of the best passage, or does not know."""

import re
from collections.abc import AsyncGenerator

from libs.contracts.chat import ChatGrounded, Passage
from services.llm.answerer import Ending, Piece
from services.llm.settings import LlmSettings
from services.llm.words import stems

MOST_SENTENCES = 3
WORDS_PER_PIECE = 3
KEEP_SHARE = 0.5
"""A sentence is quoted when it scores at least this share of the best one."""


class Extractive:
    """Streams like a model, so that everything behind it is the same."""

    def __init__(self, settings: LlmSettings) -> None:
        self._settings = settings

    async def answer(self, grounded: ChatGrounded) -> AsyncGenerator[Piece, None]:
        """See Answerer."""
        text = extract(
            grounded, self._settings.answer_threshold, self._settings.no_answer_text.strip()
        )
        for piece in _in_pieces(text):
            yield piece
        yield Ending()


def extract(grounded: ChatGrounded, threshold: float, no_answer: str) -> str:
    """Return the answer to the question, `no_answer` when the confidence is below `threshold`."""
    if not grounded.passages or grounded.confidence < threshold:
        return no_answer
    best = max(grounded.passages, key=lambda passage: passage.relevance)
    return _quote(best, grounded.request.question).strip() or no_answer


def _quote(passage: Passage, question: str) -> str:
    if passage.answer:
        return passage.answer
    return best_sentences(passage.text, question)


def best_sentences(text: str, question: str) -> str:
    """Return the sentences of a text that share the most words with the question, in its order.

    When none shares a word, the search found the text by its meaning: its beginning then.
    """
    sentences = split_sentences(text)
    asked = stems(question)
    scores = [len(asked & stems(sentence)) for sentence in sentences]
    ranked = sorted(range(len(sentences)), key=lambda index: (-scores[index], index))
    least = max(scores, default=0) * KEEP_SHARE
    chosen = [index for index in ranked if scores[index] >= least][:MOST_SENTENCES]
    return " ".join(sentences[index] for index in sorted(chosen))


def split_sentences(text: str) -> list[str]:
    """Return the sentences and lines of a text; a heading stays with what it introduces."""
    parts = [part.strip() for part in re.split(r"(?<=[.!?])\s+|\n+", text)]
    sentences: list[str] = []
    heading = ""
    for part in filter(None, parts):
        if _is_heading(part):
            heading = f"{heading}{part.lstrip('# ')} "
        else:
            sentences.append(heading + part)
            heading = ""
    return [*sentences, heading.strip()] if heading else sentences


def _is_heading(line: str) -> bool:
    return line.endswith(":") or line.startswith("#")


def _in_pieces(text: str) -> list[str]:
    """Cut a text without white space around it into a few words each; joined they are it again."""
    words = re.findall(r"\s*\S+", text)
    return [
        "".join(words[start : start + WORDS_PER_PIECE])
        for start in range(0, len(words), WORDS_PER_PIECE)
    ]
