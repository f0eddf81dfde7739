"""The sources that a client sees beside an answer."""

from collections.abc import Iterable

from msgspec.structs import replace

from libs.contracts.chat import Passage, SourceUsed
from libs.contracts.sizes import SOURCES, cut, size_of


def sources_of(passages: Iterable[Passage]) -> tuple[SourceUsed, ...]:
    """Return one entry a source, quoting its most relevant passage, most relevant source first.

    Of a website, one entry a page.
    """
    best: dict[tuple[str, str | None], Passage] = {}
    for passage in sorted(passages, key=lambda passage: passage.relevance, reverse=True):
        best.setdefault((passage.source_id, passage.url), passage)
    return _quoted_within_budget(
        SourceUsed(
            id=passage.source_id,
            type=passage.type,
            title=passage.title,
            relevance=passage.relevance,
            text=passage.text,
            heading=passage.heading,
            page=passage.page,
            url=passage.url,
        )
        for passage in best.values()
    )


def _quoted_within_budget(sources: Iterable[SourceUsed]) -> tuple[SourceUsed, ...]:
    """Return all sources, with as much of what is quoted as there is room for, the best first."""
    found = tuple(sources)
    room = SOURCES - sum(size_of(replace(one, text="")) for one in found)
    quoted: list[SourceUsed] = []
    for one in found:
        text = cut(one.text, max(0, room))
        room -= size_of(text)
        quoted.append(replace(one, text=text))
    return tuple(quoted)
