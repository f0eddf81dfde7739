"""Texts that strangers send to see what breaks: long runs of one thing, and of two in turn."""

from collections.abc import Iterator

ONES = (
    *("a", "A", "z", "1", "é", "ß", "İ", "漢", "😀", "\u0301", "\u200b", "\ufeff", "\u00ad"),
    *(" ", "\n", "\t", "\r\n", "\u2028", "\xa0", "\0", "\x01", "\U000e0041"),
    *".-/_*`~=:;,!?@#$%&+^|\\\"'()[]{}<>₱“",
)
"""Letters, digits, marks, what is invisible, what joins, what separates, what opens and closes."""
MIXED = (
    *("a ", "a.", "a-", "a/", "a1", "1.", "1 ", ". ", "- ", " \n", "\n\t", "!#", "<?", "a:\n"),
    *("< ", "<s", "</", "<<", "<\u200b", "[/", "[ /", "[INST", "<|", "s\u200b", "< /s "),
    *("hi ", "hi, ", "hello po ", "good ", "ok, ", "thanks you, ", "and what ", "ma-", "i-re-"),
    *("a\n", "x\n\n", "|a", "|a|\n", "|-|\n", "# a\n", "* a\n", "1. a\n", "> ", "```\n", "Brgy. "),
    *("--\r\n", "a@", "1(", "2-", "9 am", "php ", "monday", "field `", "charset=", "charset= "),
    *("&amp;", "<a>", "<a ", "<!--", "%41", "%", "../", "?a=b&", ";jsessionid=", "xn--", "a.xn--"),
    *(
        'a="',
        '\\"',
        ";a",
        "a\u0301",
        "e\u200b",
        "u\u0301",
        "漢\u200b",
        "1\u0301",
        '"a",',
        "{[",
        '"a":',
    ),
)
BEFORE = ("", "<", "[", 'a; b="')
"""What a run may follow, so that something looks through it."""
AFTER = " x!"
"""What it ends with, so that nothing is found after all."""


def runs(length: int, *, before: tuple[str, ...] = BEFORE) -> Iterator[tuple[str, str]]:
    """Yield so long texts, each with a name."""
    for one in (*ONES, *MIXED):
        run = (one * (length // len(one) + 1))[:length]
        for first in before:
            yield f"{first!r} + {one!r} to {length} + {AFTER!r}", f"{first}{run}{AFTER}"
