"""Which code page of one byte a letter a text is in: the one whose letters make a language's words.

charset-normalizer tells scripts apart, and takes Czech for French, or the letters of an old Mac for
Greek, where a text has a few accents only. What decides here is whether one language has all of
the letters, in places where it has them.
"""

import re
from collections.abc import Iterable

SAMPLED = 65_536
"""Bytes that are looked at."""
SURE = 0.9
"""Share of the letters beyond ASCII that fit, from which a code page is taken."""
SEVERAL = 0.95
"""What letters count that no language has all of: a text may be in several."""
WESTERN = (
    "äöüß",
    "áéíñóúü",
    "àâæçéèêëîïôœùûüÿ",
    "àèéìíîòóù",
    "ãáâàçéêíõóôú",
    "åäöæøé",
    "éëïóöü",
    "äöõüšž",
)
"""Of German, Spanish and Filipino, French, Italian, Portuguese, the north, Dutch, Estonian."""
CENTRAL = ("áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "ąćęłńóśźż", "áéíóöőúüű", "ăâîşţ", "čćđšž")
"""Of Czech, Slovak, Polish, Hungarian, Romanian, Croatian and Slovene."""
CYRILLIC = ("абвгдеёжзийклмнопрстуфхцчшщъыьэюя", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя")
CODE_PAGES: dict[str, tuple[str, ...]] = {
    "cp1252": WESTERN,
    "cp1250": CENTRAL,
    "iso8859_2": CENTRAL,
    "mac_roman": WESTERN,
    "cp1254": ("çğıöşüâî",),
    "cp1257": ("āčēģīķļņšūž", "ąčęėįšųūž"),
    "cp1255": ("אבגדהוזחטיךכלםמןנסעףפץצקרשת",),
    "cp1251": CYRILLIC,
    "koi8_r": CYRILLIC,
    "cp1253": ("αβγδεζηθικλμνξοπρσςτυφχψωάέήίόύώϊϋΐΰ",),
}
"""The letters beyond ASCII of the languages for which each is used; the likelier ones first."""
LATIN = "\u024f"
"""The last of the Latin letters."""
_PUNCTUATION = frozenset(
    "“”\u2018\u2019„\u201a\u2039\u203a«»\u2013—…•€£°§©®™¿¡·\u00a0²³½¼¾\u00b4\u00d7"
)
_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def code_page_of(content: bytes) -> str | None:
    """Return the code page of a text, None when none fits."""
    sample = content[:SAMPLED]
    fitting = {name: _fit(sample, name, languages) for name, languages in CODE_PAGES.items()}
    best = max(fitting, key=lambda name: fitting[name])
    return best if fitting[best] >= SURE else None


def _fit(sample: bytes, code_page: str, languages: Iterable[str]) -> float:
    """Return which share of what is beyond ASCII one of the languages has in such a place."""
    text = sample.decode(code_page, "replace")
    counted = [found for found in _BEYOND_ASCII.finditer(text) if found[0] not in _PUNCTUATION]
    if not counted:
        return 1.0
    letters = [found[0].lower() for found in counted if not _is_misplaced(text, found.start())]
    of_one = max(sum(one in language for one in letters) for language in languages)
    of_any = sum(any(one in language for language in languages) for one in letters)
    return max(of_one, SEVERAL * of_any) / len(counted)


def _is_misplaced(text: str, at: int) -> bool:
    """Tell whether no word is written so: a capital behind a small letter, or two alphabets."""
    if at > 0 and text[at].isupper() and text[at - 1].islower():
        return True
    beside = text[max(0, at - 1) : at] + text[at + 1 : at + 2]
    return text[at] > LATIN and any(one.isascii() and one.isalpha() for one in beside)
