"""docs/picture-light.svg and -dark.svg: the services, and what is declared between them."""

from collections import defaultdict
from html import escape
from typing import Any

from libs.contracts.asyncapi import all_calls
from libs.contracts.calls import SERVICES
from libs.contracts.queues import EVENT_QUEUES, EVERY_EVENT, TOPICS, WORK, Queue, Topic

BETWEEN: tuple[Queue[Any] | Topic[Any], ...] = (*WORK, *TOPICS)
WIDTH, HEIGHT = 860, 370
BOX = (120, 46)
SERVICE_AT = {
    "api": (210, 150),
    "rag": (450, 50),
    "llm": (690, 150),
    "billing": (330, 330),
    "webhooks": (570, 330),
}
LOG_Y = 240
"""The height of the event log, a line across the picture."""
OUTSIDE = {"clients": (60, 150), "model server": (810, 60), "subscribers": (780, 330)}
THEMES = {
    "light": {"ink": "#1f2328", "soft": "#59636e", "box": "#eef3fb", "line": "#3b6fd4"},
    "dark": {"ink": "#e6edf3", "soft": "#9198a1", "box": "#1c2533", "line": "#6ea0ff"},
}


def between() -> dict[tuple[str, str], list[str]]:
    """Return what goes from one service to another, by both of them."""
    found: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for one in BETWEEN:
        for sender in one.senders:
            for receiver in one.receivers:
                if sender != receiver:
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
    parts = [_log(colours)]
    for (sender, receiver), names in between().items():
        if names != ["cache.invalidated"]:  # of every edge, and no step of a message
            parts.append(_arrow(sender, receiver, [n for n in names if n[:5] != "cache"], colours))
    parts += [_box(name, *SERVICE_AT[name], colours) for name in SERVICES]
    for name, (x, y) in OUTSIDE.items():
        parts.append(_text(x, y + 4, name, colours["soft"], size=13))
    parts.append(_line(95, 150, 150, 150, colours["soft"], "outside"))
    parts.append(_line(720, 127, 790, 70, colours["soft"], "outside"))
    parts.append(_line(630, 330, 735, 330, colours["soft"], "outside"))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        'font-family="system-ui, sans-serif" role="img" '
        'aria-label="The services and what they send each other">\n'
        '<defs><marker id="end" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        f'markerHeight="7" orient="auto"><path d="M0 0 8 4 0 8z" fill="{colours["line"]}"/>'
        "</marker></defs>\n" + "\n".join(parts) + "\n</svg>\n"
    )


def _log(colours: dict[str, str]) -> str:
    """Return the event log, with who writes to it and who reads it."""
    senders = {sender for queue in EVENT_QUEUES.values() for sender in queue.senders}
    readers = {one for queue in EVENT_QUEUES.values() for one in queue.receivers}
    readers |= set(EVERY_EVENT.receivers)
    log = (
        f'<rect x="150" y="{LOG_Y - 14}" width="600" height="28" rx="14" stroke-dasharray="4 3" '
        f'fill="{colours["box"]}" stroke="{colours["line"]}"/>'
    )
    label = f"event log: {len(EVENT_QUEUES)} kinds"
    parts = [log, _text(590, LOG_Y + 5, label, colours["ink"], size=13)]
    for name in SERVICES:
        x, y = SERVICE_AT[name]
        edge = y + (BOX[1] // 2 if y < LOG_Y else -BOX[1] // 2)
        side = LOG_Y - 14 if y < LOG_Y else LOG_Y + 14
        if name in senders:
            parts.append(_line(x - 12, edge, x - 12, side, colours["line"], "arrow"))
        if name in readers:
            parts.append(_line(x + 12, side, x + 12, edge, colours["line"], "arrow"))
    return "\n".join(parts)


def _box(name: str, x: int, y: int, colours: dict[str, str]) -> str:
    width, height = BOX
    return (
        f'<rect x="{x - width // 2}" y="{y - height // 2}" width="{width}" height="{height}" '
        f'rx="8" fill="{colours["box"]}" stroke="{colours["line"]}" stroke-width="1.5"/>\n'
        + _text(x, y + 5, name, colours["ink"], size=16, weight=600)
    )


def _arrow(sender: str, receiver: str, names: list[str], colours: dict[str, str]) -> str:
    """Return an arrow from box to box; the way back runs beside the way there."""
    back = list(SERVICE_AT).index(sender) > list(SERVICE_AT).index(receiver)
    beside = 9 if back else -9
    (ax, ay), (bx, by) = ((x, y + beside) for x, y in (SERVICE_AT[sender], SERVICE_AT[receiver]))
    start, end = _leaves(ax, ay, bx, by), _leaves(bx, by, ax, ay)
    share = 0.9 if by > LOG_Y else 0.5
    x, y = (round(one + share * (other - one)) for one, other in zip(start, end, strict=True))
    if ay != by:  # beside a line that falls or rises, not on it
        x += 52 if ay < by < LOG_Y else -56
    line, first = (13, 16) if back else (-13, -7)
    labels = [
        _text(x, y + first + line * at, name, colours["soft"], size=11)
        for at, name in enumerate(names)
    ]
    return "\n".join([_line(*start, *end, colours["line"], "arrow"), *labels])


def _leaves(ax: int, ay: int, bx: int, by: int) -> tuple[int, int]:
    """Return where a line from the middle of a box leaves it."""
    width, height = BOX[0] / 2 + 2, BOX[1] / 2 + 2
    dx, dy = bx - ax, by - ay
    share = min(width / abs(dx) if dx else 9, height / abs(dy) if dy else 9)
    return round(ax + dx * share), round(ay + dy * share)


def _line(ax: int, ay: int, bx: int, by: int, colour: str, kind: str) -> str:
    end = ' marker-end="url(#end)"' if kind == "arrow" else ' stroke-dasharray="2 3"'
    return f'<path d="M{ax} {ay}L{bx} {by}" stroke="{colour}" stroke-width="1.4" fill="none"{end}/>'


def _text(x: int, y: int, text: str, colour: str, *, size: int, weight: int = 400) -> str:
    return (
        f'<text x="{x}" y="{y}" fill="{colour}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="middle">{escape(text)}</text>'
    )
