"""What a question and a sentence have in common: their content words, reduced to stems."""

import re

ENGLISH = """
a an and are as at be by can could did do does for from get had has have how i if in is it me my of
on or our please should so that the there they this to us was we were what when where which who why
will with would you your
"""
TAGALOG = """
ako ang ano at ay ba bakit ito iyan iyon kailan kami kayo ko kung may mayroon meron mga mo na nang
ng nga ni nila ninyo niya nyo paano po sa saan si sila sino siya tayo yung
"""
STOP_WORDS = frozenset((ENGLISH + TAGALOG).split())
SUFFIXES = ("ingly", "ings", "ing", "edly", "ies", "ied", "ely", "ed", "es", "ly", "s", "e", "y")
SHORTEST_STEM = 3


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words that carry meaning."""
    words = re.findall(r"[^\W_]+", text.lower())
    return frozenset(_stem(word) for word in words if word not in STOP_WORDS)


def _stem(word: str) -> str:
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= SHORTEST_STEM:
            return word.removesuffix(suffix)
    return word
