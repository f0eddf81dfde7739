"""How much of a conversation goes with its next question: so many exchanges, so many bytes. Pure.

A conversation can be of any size; what it takes along is bounded, so it can always go on.
"""

from collections.abc import Sequence

from msgspec.structs import replace

from libs.contracts.chat import Exchange
from libs.contracts.sizes import KB, NAME, cut, within

SAID = 32 * KB
"""Most bytes of one question or answer; of a longer one its beginning is taken along."""
WORTH_TAKING = 1 * KB
"""Bytes below which what is left is not used for a part of an exchange."""


def shortened(exchange: Exchange, most: int = SAID) -> Exchange:
    """Return an exchange whose parts have at most so many bytes each."""
    return replace(
        exchange,
        question=cut(exchange.question, most),
        answer=cut(exchange.answer, most),
        answered=cut(exchange.answered, min(most, NAME)),
    )


def taken_along(recent: Sequence[Exchange], most: int, most_bytes: int) -> tuple[Exchange, ...]:
    """Return the newest exchanges, oldest first and without a gap."""
    newest_first = map(shortened, reversed(recent[-most:] if most else ()))
    return tuple(within(newest_first, most_bytes, _part))[::-1]


def _part(exchange: Exchange, room: int) -> Exchange | None:
    """Return as much of an exchange as there is room for, None when that is not worth it."""
    each = room // 2 - NAME
    return shortened(exchange, each) if each >= WORTH_TAKING else None
