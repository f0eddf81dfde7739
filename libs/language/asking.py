"""What a question and a sentence have in common: their content words, reduced to stems.

Tagalog words count as their English ones, so that a question in one language meets a text in the
other. What a question asks for is a word as well: "how much" has one in common with every sentence
that has a price in it.
"""

import re

from libs.language.glossary import in_english

ENGLISH = """
a about an and any are as at be by can could did do does for from get had has have how i if in into
is it its me much my of on or our per please should so that the their there they this to us was we
were what when where which who why will with would you your
s t d m ll re ve
"""
TAGALOG = """
ako ang ano anong at ay ba bakit ito iyan iyon kailan kami kayo ko kung lang may mayroon meron mga
mo na nang naman ng nga ni nila ninyo niya nyo paano pala po pwede sa saan si sila sino siya tayo
yung
"""
STOP_WORDS = frozenset((ENGLISH + TAGALOG).split())
SUFFIXES = ("ingly", "ings", "ing", "edly", "ies", "ied", "ely", "ed", "es", "ly", "s", "e", "y")
SHORTEST_STEM = 3
_WORDS = re.compile(r"[^\W_]+")


def _any(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.VERBOSE)


ASKS_FOR = {
    "#money": _any(r"\b(how\ much|prices?|costs?|fees?|rates?|magkano|presyo|halaga)\b"),
    "#time": _any(r"\b(when|what\ (time|day|date)|hours|how\ late|kailan|anong\ (oras|araw))\b"),
    "#number": _any(r"\b(how\ (many|long|far|old|big|often|soon|fast)|ilan|ilang|gaano)\b"),
    "#place": _any(r"\b(where|address|located|location|saan|nasaan|lokasyon)\b"),
    "#contact": _any(r"\b(phone|telephone|call|e-?mail|contact|reach|text|numero|tawag\w*)\b"),
}
"""What words in a question ask for."""
_GENERAL = _any(
    r"\b(numbers?|open(ing)?|hours|cost|much|many|call(ed)?|find|reach|store|shop|business"
    r"|tell|give|know|current|phone|mail)\b"
)
"""What says no more than that: the business itself is meant."""
_DAYS = "mon|tue|wed|thu|fri|sat|sun"
_PLACES = (
    "streets?|calle|rue|strasse|plaza|blvd|boulevard|lane|drive|purok|sitio|poblacion|st\\.|avenue"
    "|ave|road|highway|brgy|barangay|city|floor|building|mall|corner"
)
_NUMBER_AND_STREET = r"^\d{1,5}\ [^\W\d]+[\w\ .]{0,40},\ [^\W\d]"
GIVES = {
    "#money": _any(
        r"[₱$€£]\s?\d | \b(php|usd)\s?\d | \d\s?(pesos?|piso|php|usd|dollars?)\b"
        r"| \b(prices?|costs?|fees?|rates?|presyo)\b\D{0,12}\d | \b(free|libre)\b"
    ),
    "#time": _any(
        r"\b\d{1,2}(:\d\d)?\s?([ap]\.?m\b|n\.[uh]) | \b\d{1,2}:\d\d\b | \b(noon|midnight)\b"
        rf"| \b({_DAYS})[a-z]*days?\b | \b(daily|weekdays|weekends|tomorrow|same\ day)\b"
        r"| \b(lunes|martes|miyerkules|huwebes|biyernes|sabado|linggo|araw-araw)\b"
        r"| \b(january|february|march|april|june|july|august|september|october|november|december)\b"
    ),
    "#number": _any(r"\d | \b(one|two|three|four|five|six|seven|eight|nine|ten|twelve|twice)\b"),
    "#place": _any(
        rf"\b({_PLACES})\b | {_NUMBER_AND_STREET}"
        r"| \b(across|beside|next\ to|in\ front\ of|near)\b"
    ),
    "#contact": _any(r"\d[\d\ ()-]{6,}\d | \S@\S | \bwww\. | https?://"),
}
"""What in a sentence gives that."""


def stems(text: str) -> frozenset[str]:
    """Return the stems of the words that carry meaning, in both languages."""
    lowered = text.lower()
    words = set(_WORDS.findall(f"{lowered} {in_english(lowered)}"))
    return frozenset(map(_stem, words - STOP_WORDS))


def asked_for(question: str) -> frozenset[str]:
    """Return the kinds of thing that a question asks for."""
    return frozenset(kind for kind, words in ASKS_FOR.items() if words.search(question))


def without_kinds(question: str) -> str:
    """Return a question without the words that say which kind of thing it asks for."""
    for words in ASKS_FOR.values():
        question = words.sub(" ", question)
    return _GENERAL.sub(" ", question)


def given(text: str, kinds: frozenset[str]) -> frozenset[str]:
    """Return those of the kinds that a text has something of."""
    return frozenset(kind for kind in kinds if GIVES[kind].search(text))


def _stem(word: str) -> str:
    for suffix in SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= SHORTEST_STEM:
            return word.removesuffix(suffix)
    return word
