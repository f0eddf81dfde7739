"""The sources that a client sees beside an answer."""

from collections.abc import Iterable

from libs.contracts.chat import Passage, SourceUsed


def sources_of(passages: Iterable[Passage]) -> tuple[SourceUsed, ...]:
    """Return one entry a source, quoting its most relevant passage, most relevant source first.

    Of a website, one entry a page.
    """
    best: dict[tuple[str, str | None], Passage] = {}
    for passage in sorted(passages, key=lambda passage: passage.relevance, reverse=True):
        best.setdefault((passage.source_id, passage.url), passage)
    return tuple(
        SourceUsed(
            id=passage.source_id,
            type=passage.type,
            title=passage.title,
            relevance=passage.relevance,
            text=passage.text,
            page=passage.page,
            url=passage.url,
        )
        for passage in best.values()
    )
