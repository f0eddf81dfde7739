"""Whether an answer is what the owner wants a visitor to be told. Pure."""

from collections.abc import Iterator
from typing import Any

from tests.owners.cases import Ask

UNKNOWN = "I don't know that."
"""What the agents of these tests say when they do not know."""


def folded(text: str) -> str:
    """Return a text as it is compared: letters of one size, any white space as one space."""
    return " ".join(text.split()).casefold()


def has(text: str, part: str) -> bool:
    """Whether a text has a part in it."""
    return folded(part) in folded(text)


def notes_of(source: dict[str, Any]) -> str:
    """Return all that a source says of what was left out of it."""
    notes = [f"{note['place']} {note['message']}" for note in source.get("notes", ())]
    pages = source.get("pages") or {}
    skipped = [f"{one['url']} {one['reason']}" for one in pages.get("reasons", ())]
    return "\n".join([*notes, *skipped, pages.get("note", "")]).strip()


def problems(ask: Ask, answer: dict[str, Any], noted: str) -> Iterator[str]:
    """Yield what is wrong with an answer; `noted` is what the sources say was left out."""
    response, sources = answer["response"], answer["sources"]
    shown = "\n".join([response, *map(_shown, sources)])
    yield from (f"told: {part!r}" for part in ask.nowhere if part in shown)
    excused = (ask.or_unknown and response == UNKNOWN) or (
        bool(ask.or_notes) and all(has(noted, part) for part in ask.or_notes)
    )
    if not excused:
        if ask.unknown and response != UNKNOWN:
            yield "it says that it knows"
        yield from (f"not in the answer: {part!r}" for part in ask.says if not has(response, part))
        yield from _problems_of_sources(ask, sources)


def _problems_of_sources(ask: Ask, sources: list[dict[str, Any]]) -> Iterator[str]:
    first = sources[0] if sources else {"title": "", "text": ""}
    for part in ask.first:
        if not has(_shown(first), part):
            yield f"not in the first source: {part!r}"
    if ask.title and first["title"] not in ask.title:
        yield f"the first source's title is none of {ask.title}"
    if ask.once and sum(has(_shown(one), ask.says[0]) for one in sources) != 1:
        yield "not in exactly one source"


def _shown(source: dict[str, Any]) -> str:
    return f"{source['title']}\n{source.get('heading', '')}\n{source['text']}"
