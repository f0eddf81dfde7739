"""Leads an inflected Tagalog word back to what may be its root.

Tagalog puts affixes before, into and behind a root and repeats its first syllable: "bayad" makes
"nagbabayad", "binayaran", "ipambayad", "pagbabayad". Customers do the same to English verbs:
"i-refund", "nagde-deliver".
"""

import re
from collections.abc import Iterator

MOST_AFFIXES = 4
_SHORTEST_ROOT = 3

_VOWELS = "aeiou"
_PREFIXES = (
    *("mag", "nag", "pag", "ipag", "ipinag", "pinag", "nakapag", "makapag", "napag", "mapag"),
    *("magpa", "nagpa", "pagpa", "ipa", "ipina", "pina", "pa", "papa", "magpapa", "nagpapa"),
    *("makipag", "nakipag", "pakiki", "paki", "maki", "naki", "makiki", "nakiki"),
    *("maka", "naka", "makaka", "nakaka", "maipa", "naipa", "mai", "nai", "maii", "naii"),
    *("ma", "na", "ka", "ika", "i", "ini", "ii", "pinaka", "napaka", "taga", "tag", "tig"),
    *("mam", "nam", "pam", "ipam", "man", "nan", "pan", "ipan"),
    *("mang", "nang", "pang", "ipang", "kapag", "pagka", "magka", "nagka", "nagkaka", "magkaka"),
)
# These swallow the first consonant of the root: mang + bili = mamili.
_SWALLOWING = {"m": ("p", "b"), "n": ("t", "s", "d"), "ng": ("k",)}
_SWALLOWER = re.compile(r"(?:ma|na|pa|ipa|ipina)(ng|m|n)(?=[aeiou])")
_SUFFIXES = ("in", "an", "hin", "han", "nin", "nan", "ng", "g")
_LAST_U = re.compile(r"u(?=[^aeiou]*$)")
_DOUBLED = re.compile(r"([^aeiou]{0,2}[aeiou]).*")

ENGLISH_VERB = re.compile(
    r"(?:i|ni|in|um|ma|na|pa|mag|nag|pag|ipa|pina|maka|naka|mapa|napa|magpa|nagpa|pagpa|paki|ipag"
    r"|mai|nai|ika|pang|taga|pinag)-(?:[a-z]{1,3}-)?([a-z]{3,})(?:-(?:an|in|han|hin))?$"
)
"""An English verb with Tagalog affixes, set off by a hyphen as the spelling rules want it."""


def roots(word: str) -> Iterator[str]:
    """Yield what the word may be derived from, those with the fewest affixes removed first."""
    seen, level = {word}, [word]
    for _ in range(MOST_AFFIXES):
        shorter = [
            stem for longer in level for stem in _less(longer) if len(stem) >= _SHORTEST_ROOT
        ]
        level = [stem for stem in dict.fromkeys(shorter) if stem not in seen]
        seen.update(level)
        yield from level


def _less(word: str) -> Iterator[str]:
    yield from _without_prefix(word)
    yield from _without_infix(word)
    yield from _without_doubling(word)
    yield from _without_suffix(word)


def _without_prefix(word: str) -> Iterator[str]:
    for prefix in _PREFIXES:
        if word.startswith(prefix):
            yield word[len(prefix) :].removeprefix("-")
    swallowed = _SWALLOWER.match(word)
    if swallowed:
        for consonant in _SWALLOWING[swallowed[1]]:
            yield consonant + word[swallowed.end() :]


def _without_infix(word: str) -> Iterator[str]:
    if word.startswith(("um", "in")):
        yield word[2:].removeprefix("-")
    for onset in (1, 2):
        if word[onset : onset + 2] in ("um", "in") and word[onset - 1] not in _VOWELS:
            yield word[:onset] + word[onset + 2 :]


def _without_doubling(word: str) -> Iterator[str]:
    first, hyphen, rest = word.partition("-")
    if hyphen and rest.startswith(first[:1]) and (len(first) <= 3 or first == rest):
        yield rest
    doubled = _DOUBLED.match(word)
    if doubled:
        rest = word[len(doubled[1]) :]
        # "tatrabaho" repeats "ta", not the whole onset "tra".
        if rest.startswith(doubled[1]) or (len(doubled[1]) == 2 and rest[:1] == word[0]):
            yield rest


def _without_suffix(word: str) -> Iterator[str]:
    for suffix in _SUFFIXES:
        if not word.endswith(suffix):
            continue
        stem = word[: -len(suffix)].removesuffix("-")
        yield stem
        if suffix not in ("ng", "g"):
            # "ayos" makes "ayusin", "bayad" "bayaran".
            yield _LAST_U.sub("o", stem)
            if stem.endswith("r"):
                yield stem[:-1] + "d"
