"""What a page says to search engines (schema.org in JSON-LD): questions, products, places."""

import json
from collections.abc import Iterator
from typing import Any

from lxml.html import HtmlElement  # type: ignore[import-untyped]  # it has no stubs

from services.rag.read.html.tree import tree_of
from services.rag.read.section import Section

MOST_ITEMS = 2_000
"""Things of a page that are looked at."""
FIELDS = (
    *("name", "description", "telephone", "email", "address"),
    *("openingHours", "openingHoursSpecification", "priceRange", "sku", "price", "priceCurrency"),
    *("availability", "startDate", "endDate", "location"),
)
"""What is told of a thing, in this order."""
KINDS = ("Product", "Offer", "Event", "Service", "Restaurant", "Store", "Business", "Organization")
"""Ends of the names of the kinds of things that are told."""


def sections_of_data(tree: HtmlElement) -> Iterator[Section]:
    """Yield the questions of a page's data, and each product, event or place as lines."""
    seen = 0
    for script in tree.xpath("//script[@type='application/ld+json']"):
        try:
            data = json.loads(script.text_content())
        except (ValueError, RecursionError):
            continue
        for thing in _things(data, 0):
            seen += 1
            if seen > MOST_ITEMS:
                return
            yield from _section(thing)


TELLING = frozenset({"telephone", "address", "openingHours", "openingHoursSpecification", "offers"})
"""Fields of which a thing of any kind has one when it is told."""
DEEPEST = 20
"""Things within things that are looked at."""


def _things(data: Any, depth: int) -> Iterator[dict[str, Any]]:
    if depth > DEEPEST:
        return
    if isinstance(data, list):
        for one in data:
            yield from _things(one, depth + 1)
    elif isinstance(data, dict):
        yield data
        for name in ("@graph", "mainEntity", "itemListElement", "item", "hasPart"):
            yield from _things(data.get(name), depth + 1)


def _section(thing: dict[str, Any]) -> Iterator[Section]:
    kind = thing.get("@type")
    kinds = [str(one) for one in (kind if isinstance(kind, list) else [kind])]
    if "Question" in kinds:
        question, answer = _text(thing.get("name")), _answer(thing)
        if question and answer:
            yield Section(question=question, answer=answer)
    elif any(one.endswith(KINDS) for one in kinds) or not TELLING.isdisjoint(thing):
        lines = list(_lines(thing))
        if len(lines) > 1:
            yield Section(text="\n".join(lines), lead=lines[0])


def _answer(thing: dict[str, Any]) -> str:
    answer = thing.get("acceptedAnswer") or thing.get("suggestedAnswer")
    if isinstance(answer, list):
        answer = answer[0] if answer else None
    text = _text(answer.get("text")) if isinstance(answer, dict) else ""
    tree = tree_of(text) if "<" in text else None
    return text if tree is None else " ".join(str(tree.text_content()).split())


def _lines(thing: dict[str, Any]) -> Iterator[str]:
    offers = thing.get("offers")
    offer = offers[0] if isinstance(offers, list) and offers else offers
    fields = (offer if isinstance(offer, dict) else {}) | thing
    for name in FIELDS:
        text = _text(fields.get(name))
        if text:
            yield f"{name}: {text}"


def _text(value: Any) -> str:
    """Return a value as text: an address, say, is a thing of several fields."""
    match value:
        case str() | int() | float():
            return " ".join(str(value).split())
        case list():
            return ", ".join(filter(None, map(_text, value)))
        case dict():
            return ", ".join(_text(one) for name, one in value.items() if not name.startswith("@"))
        case _:
            return ""
