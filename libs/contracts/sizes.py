r"""How large what travels on the bus may be, in bytes of its JSON encoding.

NATS takes messages of MESSAGE bytes by default, and every server has to. What is put together from
parts of many owners has a budget for each part, so that the whole stays far below that whatever the
parts are: a control character takes 6 bytes (`\u0001`), a letter of another script up to 4.

chat.requested, chat.grounded   QUESTION + an agent's settings + HISTORY + PASSAGES
message.sent                    QUESTION + ANSWER + SOURCES
a webhook's delivery            its body is JSON within JSON: twice ANSWER at worst
lists                           PAGE, or one item
"""

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from libs.contracts.message import encode

KB = 1024
MESSAGE = 1024 * KB
"""The largest message that a NATS server takes by default."""
QUESTION = 64 * KB
ANSWER = 384 * KB
HISTORY = 256 * KB
"""What HISTORY_BYTES can be at most."""
PASSAGES = 320 * KB
"""All passages of one question, their texts and what is around them."""
PASSAGE_TEXT = 64 * KB
SOURCES = 128 * KB
"""All sources beside an answer, with what is quoted of them."""
NAME = 2 * KB
"""A title, a heading, a reason: what stands beside a text."""
PAGE = 512 * KB

Item = TypeVar("Item")


def size_of(value: object) -> int:
    """Return the bytes of a value's encoding."""
    return len(encode(value))


def cut(text: str, most: int) -> str:
    """Return the beginning of a text, whose encoding has at most `most` bytes without its quotes.

    Never less than it could be, and never a part of a character.
    """
    text = text[:most]
    if _size_within_quotes(text) <= most:
        return text
    fits, too_long = 0, len(text)
    while too_long - fits > 1:
        middle = (fits + too_long) // 2
        if _size_within_quotes(text[:middle]) <= most:
            fits = middle
        else:
            too_long = middle
    return text[:fits]


def _size_within_quotes(text: str) -> int:
    return len(encode(text)) - 2


def within(
    items: Iterable[Item], most: int, smaller: Callable[[Item, int], Item | None]
) -> Iterator[Item]:
    """Yield items from the first on until they have `most` bytes as JSON.

    The first that does not fit is what `smaller` makes of it for the room that is left, if
    anything; what comes behind it is left out.
    """
    for item in items:
        size = size_of(item)
        if size > most:
            shorter = smaller(item, most)
            if shorter is not None:
                yield shorter
            return
        most -= size + 1
        yield item
