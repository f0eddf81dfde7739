"""Cuts a source into the pieces that are found: a Q&A stays whole, a text is cut at its seams."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import qdrant_edge as edge
from semantic_text_splitter import MarkdownSplitter, TextSplitter

from libs.contracts.sources import Source
from services.rag.crawl.kept import KeptPage
from services.rag.index.cut import pieces_of, split
from services.rag.index.interface import Chunk
from services.rag.index.words import words_of_passage
from services.rag.read.section import Section

MOST_QUESTION = 2_000
"""Characters of a question; one that is longer is one that nobody asks."""
WHOLE_ANSWER = 1_200
"""Characters of an answer that stays whole: what a model reads, question and title with it."""
ANSWER_PIECE = 800
"""Characters of the pieces of an answer that does not."""
MOST_HEADING = 300
"""Characters of a heading that are kept with every chunk below it."""


def chunks_of(source: Source, *, size: int, overlap: int) -> list[Chunk]:
    """Return the chunks of a source in order; none when there is nothing in it to find.

    `size` and `overlap` are in characters and for texts: at most so many a chunk, and at most so
    many repeated from the one before. A text is cut between paragraphs where that fits, else
    between sentences, else between words.
    """
    if source.kind == "qa":
        return _numbered(_with_answers(_piece(source, 0, ""), source.question, source.answer))
    splitter = TextSplitter(size, overlap=overlap)
    pieces = (_piece(source, 0, text) for text in split(source.text, splitter, size))
    return _numbered(pieces)


def chunks_of_document(
    source: Source, sections: Iterable[Section], *, size: int, overlap: int
) -> list[Chunk]:
    """Return the chunks of a document in order, each within one section; see chunks_of."""
    splitter = MarkdownSplitter(size, overlap=overlap)
    document = _piece(source, 0, "")
    pieces = (piece for section in sections for piece in _pieces(document, section, splitter, size))
    return _numbered(pieces)


def chunks_of_site(
    source: Source, pages: Iterable[KeptPage], *, size: int, overlap: int
) -> list[Chunk]:
    """Return the chunks of a website's pages in order, each with its page's title and address."""
    splitter = MarkdownSplitter(size, overlap=overlap)
    pieces = (
        piece
        for page, section in _once(pages)
        for piece in _pieces(
            replace(_piece(source, 0, ""), title=page.title or source.title, url=page.url),
            section,
            splitter,
            size,
        )
    )
    return _numbered(pieces)


def _once(pages: Iterable[KeptPage]) -> Iterator[tuple[KeptPage, Section]]:
    """Yield the sections of all pages; what several pages say, a footer, is of the first."""
    seen: set[Section] = set()
    for page in pages:
        for section in page.sections:
            if section not in seen:
                seen.add(section)
                yield page, section


def _numbered(pieces: Iterable[Chunk]) -> list[Chunk]:
    return [replace(piece, number=number) for number, piece in enumerate(pieces)]


def _pieces(
    document: Chunk, section: Section, splitter: MarkdownSplitter, size: int
) -> Iterator[Chunk]:
    found = replace(document, heading=section.heading[:MOST_HEADING], page=section.page)
    if section.answer and len(section.question) <= MOST_QUESTION:
        yield from _with_answers(found, section.question, section.answer)
        return
    # A question that is too long is one that nobody asks: it is a text like others.
    whole = _said(section.question, section.answer) if section.answer else section.text
    for text in pieces_of(whole, section.lead, splitter, size):
        yield replace(found, text=text)


def _said(question: str, answer: str) -> str:
    return f"{question}\n{answer}"


def _with_answers(found: Chunk, question: str, answer: str) -> Iterator[Chunk]:
    """Yield a question with its answer, or with each piece of one that no model reads to its end.

    A piece is found by the question and by what it says itself, and is read as a text: `answer` is
    a whole one.
    """
    if len(answer) <= WHOLE_ANSWER:
        if answer.strip():
            text = _said(question, answer).strip()
            yield replace(found, text=text, question=question, answer=answer)
        return
    for piece in split(answer, TextSplitter(ANSWER_PIECE), ANSWER_PIECE):
        yield replace(found, text=_said(question, piece), question=question)


def embedded_text(chunk: Chunk) -> str:
    """Return what stands for a chunk in the index.

    The title helps a piece that doesn't say what it is about; question and answer together are
    found more often than either alone (docs/retrieval.md has the figures).
    """
    return "\n".join(filter(None, (chunk.title, chunk.heading, chunk.text)))


def words_of(chunk: Chunk) -> edge.SparseVector:
    """Return the words that a chunk is found by."""
    return words_of_passage(embedded_text(chunk), chunk.asks)


def _piece(source: Source, number: int, text: str) -> Chunk:
    return Chunk(
        agent_id=source.agent_id,
        source_id=source.id,
        version=source.version,
        number=number,
        kind=source.kind,
        title=source.title,
        text=text,
    )
