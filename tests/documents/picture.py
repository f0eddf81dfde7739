"""docs/picture-light.svg and -dark.svg: the services, and what is declared between them.

What is drawn comes from libs/contracts; where it is drawn is here.
"""

from collections import defaultdict
from dataclasses import dataclass
from html import escape
from typing import Any

from libs.contracts.asyncapi import all_calls
from libs.contracts.calls import SERVICES
from libs.contracts.queues import EVENT_QUEUES, EVERY_EVENT, TOPICS, WORK, Queue, Topic

BETWEEN: tuple[Queue[Any] | Topic[Any], ...] = (*WORK, *TOPICS)
WIDTH, HEIGHT = 860, 390
BOX = (120, 46)
SERVICE_AT = {
    "api": (190, 140),
    "rag": (430, 140),
    "llm": (670, 140),
    "billing": (190, 350),
    "webhooks": (430, 350),
}
LOG_Y = 245
"""The height of the event log, a line across the picture."""
THEMES = {
    "light": {"ink": "#1f2328", "soft": "#59636e", "box": "#eef3fb", "line": "#3b6fd4"},
    "dark": {"ink": "#e6edf3", "soft": "#9198a1", "box": "#1c2533", "line": "#6ea0ff"},
}
Colours = dict[str, str]


@dataclass(frozen=True)
class Route:
    """The way of an arrow as an SVG path, and where what goes along it is named."""

    path: str
    x: int
    y: int
    anchor: str = "middle"


ROUTES = {
    ("api", "rag"): Route("M252 140H366", 309, 132),
    ("rag", "llm"): Route("M492 140H606", 549, 132),
    ("api", "llm"): Route("M205 115C205 62 655 62 655 113", 430, 69),
    ("llm", "api"): Route("M685 115C685 6 175 6 175 113", 430, 27),
    ("api", "billing"): Route("M236 165V325", 244, 300, "start"),
    ("api", "webhooks"): Route("M252 160L384 325", 300, 206, "start"),
}
"""Of everything that one service sends another; a new pair needs a line here."""
OUTSIDE = {
    "clients": Route("M84 140H128", 54, 144),
    "model server": Route("M732 140H762", 810, 144),
    "subscribers": Route("M492 350H560", 604, 354),
}


def between() -> dict[tuple[str, str], list[str]]:
    """Return what goes from one service to another, by both of them.

    Without probes and caches, which are of every service and no step of a message.
    """
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in BETWEEN:
        for sender in one.senders:
            for receiver in one.receivers:
                if sender != receiver and not one.name.startswith("cache."):
                    found[sender, receiver].append(one.name)
    for call in all_calls():
        if call.service not in {"api", "llm"} and not call.subject.endswith(".probe"):
            pair, calls = ("api", call.service), f"{call.service}.* calls"
            if calls not in found[pair]:
                found[pair].append(calls)
    return dict(found)


def picture(theme: str) -> str:
    """Return the drawing as SVG."""
    colours = THEMES[theme]
    soft, line = colours["soft"], colours["line"]
    parts = [_arrow(ROUTES[pair].path, line) for pair in between()]
    parts += _log(colours)
    for pair, names in between().items():
        route = ROUTES[pair]
        text = "  ·  ".join(names) if {"llm"} & set(pair) else "\n".join(names)
        parts += _label(route, text, soft)
    parts += [_box(name, *SERVICE_AT[name], colours) for name in SERVICES]
    for name, route in OUTSIDE.items():
        parts.append(f'<path d="{route.path}" stroke="{soft}" stroke-dasharray="2 3" fill="none"/>')
        parts.append(_text(route.x, route.y, name, soft, size=13))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" role="img" '
        'aria-label="The services and what they send each other">\n'
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{line}"/>'
        "</marker></defs>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _log(colours: Colours) -> list[str]:
    """Return the event log, with who writes to it and who reads it."""
    senders = {sender for queue in EVENT_QUEUES.values() for sender in queue.senders}
    readers = {one for queue in EVENT_QUEUES.values() for one in queue.receivers}
    readers |= set(EVERY_EVENT.receivers)
    bar = (
        f'<rect x="130" y="{LOG_Y - 15}" width="600" height="30" rx="15" '
        f'fill="{colours["box"]}" stroke="{colours["line"]}"/>'
    )
    label = f"event log: {len(EVENT_QUEUES)} kinds of events, the first outcome of a message stays"
    parts = [bar, _text(430, LOG_Y + 5, label, colours["ink"], size=13)]
    for name in SERVICES:
        x, y = SERVICE_AT[name]
        above = y < LOG_Y
        edge = y + (BOX[1] // 2 + 2 if above else -BOX[1] // 2 - 2)
        side = LOG_Y - 17 if above else LOG_Y + 17
        if name in senders:
            parts.append(_arrow(f"M{x - 10} {edge}V{side}", colours["line"]))
        if name in readers:
            parts.append(_arrow(f"M{x + 10} {side}V{edge}", colours["line"]))
    return parts


def _box(name: str, x: int, y: int, colours: Colours) -> str:
    width, height = BOX
    return (
        f'<rect x="{x - width // 2}" y="{y - height // 2}" width="{width}" height="{height}" '
        f'rx="8" fill="{colours["box"]}" stroke="{colours["line"]}" stroke-width="1.5"/>\n'
        + _text(x, y + 5, name, colours["ink"], size=16, weight=600)
    )


def _arrow(path: str, colour: str) -> str:
    look = f'stroke="{colour}" stroke-width="1.4" fill="none"'
    return f'<path d="{path}" {look} marker-end="url(#end)"/>'


def _label(route: Route, text: str, colour: str) -> list[str]:
    """Return the lines of a text, the last one at its place."""
    lines = text.split("\n")
    return [
        _text(route.x, route.y - 14 * above, line, colour, size=11, anchor=route.anchor)
        for above, line in zip(reversed(range(len(lines))), lines, strict=True)
    ]


def _text(
    x: int, y: int, text: str, colour: str, *, size: int, weight: int = 400, anchor: str = "middle"
) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
