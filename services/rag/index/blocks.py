"""Cuts a text into blocks that a splitter takes in no time, whatever stands in them.

The splitters look at a run of blank lines, or of letters without a space, again for each of its
characters. So long runs of blank lines are shortened, and what is left is handed over in blocks.
"""

from collections.abc import Iterator

MOST_BLANK_LINES = 3
"""Blank lines in a row that are kept."""
BLOCK = 10_000
"""Characters of a block, where chunks are much smaller than that."""
CHUNKS_A_BLOCK = 4


def blocks_of(text: str, chunk: int) -> Iterator[str]:
    """Yield a text in blocks of whole lines where that fits; `chunk` is in characters."""
    size = max(BLOCK, CHUNKS_A_BLOCK * chunk)
    block: list[str] = []
    room = size
    for line in _pieces(_lines(text), size):
        if len(line) + 1 > room and block:
            yield "\n".join(block)
            block, room = [], size
        block.append(line)
        room -= len(line) + 1
    if block:
        yield "\n".join(block)


def _lines(text: str) -> Iterator[str]:
    blank = 0
    for line in text.splitlines():
        blank = 0 if line.strip() else blank + 1
        if blank <= MOST_BLANK_LINES:
            yield "" if blank else line


def _pieces(lines: Iterator[str], size: int) -> Iterator[str]:
    """Cut lines that are longer than a block, at a space where there is one near the end."""
    for line in lines:
        start = 0
        while len(line) - start > size:
            space = line.rfind(" ", start + size // 2, start + size)
            end = space if space > 0 else start + size
            yield line[start:end]
            start = end
        yield line[start:]
