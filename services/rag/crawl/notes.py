"""What the owner of a website is told of the pages that were left out, and of parts of others."""

from collections.abc import Iterable

from msgspec.structs import replace

from libs.contracts.sources import Note
from services.rag.crawl.kept import Visit
from services.rag.read.section import few, note

MOST_NAMED = 3
"""Addresses that a note names."""


def notes_of(visits: Iterable[Visit], limit: str) -> tuple[Note, ...]:
    """Return one note for each reason for which pages were left out, and those of single pages.

    `limit` says which bound ended the crawl, if one did.
    """
    skipped: dict[str, list[str]] = {}
    notes: list[Note] = []
    for visit in visits:
        if visit.skipped is not None:
            skipped.setdefault(visit.skipped, []).append(visit.url)
        else:
            notes += [_at(visit.cited, one) for one in visit.notes]
    reasons = [
        note("page_skipped", _said(reason, urls), urls[0]) for reason, urls in skipped.items()
    ]
    ended = [note("crawl_limit", limit)] if limit else []
    return few([*ended, *reasons, *notes])


def _said(reason: str, urls: list[str]) -> str:
    if len(urls) == 1:
        return f"This page was left out: {reason}"
    named = ", ".join(urls[:MOST_NAMED])
    return f"{len(urls)} pages were left out: {reason} They are {named}" + (
        " and others." if len(urls) > MOST_NAMED else "."
    )


def _at(url: str, one: Note) -> Note:
    return replace(one, place=f"{url} {one.place}".strip())
