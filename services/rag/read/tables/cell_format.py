"""The text that a spreadsheet shows for a value, by the format of its cell.

The codes are those of ECMA-376, 18.8.31. What is rare (fractions, colours, conditions) is shown
without it: the figure is right, its dress may differ.
"""

import re
from datetime import date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

GENERAL = "General"
MOST_DIGITS = 15
"""That a spreadsheet keeps of a number."""
LONGEST_LITERAL = 255
"""Characters between two quotes or brackets of a format: as many as one may have in all."""
_TOKEN = re.compile(
    rf'"([^"]{{0,{LONGEST_LITERAL}}}+)"|\\(.)|\[([^\]]{{0,{LONGEST_LITERAL}}}+)\]|_.|\*.'
    r"|(am/pm|a/p|y{1,4}|m{1,5}|d{1,4}|h{1,2}|s{1,2}|[0#?][0#?,.]*+|\.0++|%|.)",
    re.IGNORECASE | re.DOTALL,
)
_DIGITS = re.compile(r"[0#?]")
_NAMES = {"mmmm": "%B", "mmmmm": "%B", "mmm": "%b", "dddd": "%A", "ddd": "%a"}
_FIGURES = {
    **dict.fromkeys(("y", "yy", "yyy", "yyyy"), "year"),
    **dict.fromkeys(("m", "mm"), "month"),
    **dict.fromkeys(("d", "dd"), "day"),
    **dict.fromkeys(("h", "hh"), "hour"),
    **dict.fromkeys(("s", "ss"), "second"),
}


def shown(value: object, code: str | None = GENERAL) -> str:
    """Return the text of a cell's value; empty for None."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return _number(value, code or GENERAL)
        case datetime() | date() | time():
            return _moment(value, code or GENERAL)
        case timedelta():
            return _duration(value)
        case _:
            return str(value)


def _number(value: float, code: str) -> str:
    sections = code.split(";")
    negative = value < 0 and len(sections) > 1 and sections[1].strip() != ""
    chosen = sections[1] if negative else sections[0]
    if value == 0 and len(sections) > 2 and _DIGITS.search(sections[2]):
        chosen = sections[2]
    tokens = list(_TOKEN.finditer(chosen))
    if not any(found[4] and _DIGITS.match(found[4]) for found in tokens):
        return _general(value)
    if any(found[4] in {"E", "e", "/"} for found in tokens if found[4]):
        return _general(value)
    percents = sum(found[4] == "%" for found in tokens)
    number = Decimal(str(value)) * 100**percents
    return _laid_out(tokens, abs(number) if negative else number)


def _general(value: float) -> str:
    if isinstance(value, int):
        return str(value)
    return (
        str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.{MOST_DIGITS}g}"
    )


def _laid_out(tokens: list[re.Match[str]], number: Decimal) -> str:
    """Put a number into its places, and the literals around it."""
    text = ""
    sign = "-" if number < 0 else ""
    groups = [found[4] for found in tokens if found[4] and _DIGITS.match(found[4])]
    places = iter(_placed_in_groups(groups, abs(number)))
    for found in tokens:
        quoted, escaped, bracket, rest = found[1], found[2], found[3], found[4]
        if quoted is not None or escaped is not None:
            text += quoted if quoted is not None else escaped
        elif bracket is not None:
            text += bracket[1:].partition("-")[0] if bracket.startswith("$") else ""
        elif rest and _DIGITS.match(rest):
            text += next(places)
        elif rest:
            text += rest
    return f"{sign}{text.strip()}"


def _placed_in_groups(groups: list[str], number: Decimal) -> list[str]:
    """Return the digits for each group of places: a phone number, say, has several."""
    if len(groups) == 1:
        return [_placed(groups[0], number)]
    digits = f"{number:.0f}".zfill(sum(map(len, groups)))
    cuts: list[str] = []
    for group in reversed(groups[1:]):
        cuts.append(digits[-len(group) :])
        digits = digits[: -len(group)]
    return [digits, *reversed(cuts)]


def _placed(places: str, number: Decimal) -> str:
    whole, _, fraction = places.partition(".")
    scale = len(whole) - len(whole.rstrip(","))
    number /= Decimal(1000) ** scale
    most, least = len(fraction.replace(",", "")), fraction.count("0")
    rounded = number.quantize(Decimal(1).scaleb(-most), ROUND_HALF_UP)
    digits, _, decimals = f"{rounded:f}".partition(".")
    while len(decimals) > least and decimals.endswith("0"):
        decimals = decimals[:-1]
    digits = digits.zfill(whole.count("0"))
    if "," in whole.rstrip(","):
        digits = f"{int(digits):,}" if not digits.startswith("0") or digits == "0" else digits
    return f"{digits}.{decimals}" if decimals else digits


def _moment(value: datetime | date | time, code: str) -> str:
    tokens = list(_TOKEN.finditer(code.split(";", maxsplit=1)[0]))
    parts = [(found[4] or "").lower() for found in tokens]
    if not any(part[:1] in set("ymdhs") for part in parts if part):
        return _plain(value)
    twelve = any(part in {"am/pm", "a/p"} for part in parts)
    text = ""
    for at, found in enumerate(tokens):
        if found[1] is not None or found[2] is not None:
            text += found[1] if found[1] is not None else found[2]
        elif parts[at]:
            text += _part(value, parts, at, twelve=twelve)
    return text.strip() or _plain(value)


def _plain(value: datetime | date | time) -> str:
    if isinstance(value, datetime):
        clock = "" if value.time() == time() else f" {value:%H:%M}"
        return f"{value:%Y-%m-%d}{clock}"
    return f"{value:%H:%M}" if isinstance(value, time) else f"{value:%Y-%m-%d}"


def _part(value: datetime | date | time, parts: list[str], at: int, *, twelve: bool) -> str:
    """Return one element of a date or time; minutes are told from months by what stands beside."""
    part = parts[at]
    if part in {"m", "mm"} and _is_minute(parts, at):
        return f"{_of(value, 'minute'):0{len(part)}d}"
    if part in _NAMES:
        return "" if isinstance(value, time) else f"{value:{_NAMES[part]}}"
    if part in _FIGURES:
        figure = _of(value, _FIGURES[part])
        if part[0] == "h" and twelve:
            figure = figure % 12 or 12
        if part in {"y", "yy"}:
            figure %= 100
        return f"{figure:0{max(len(part), 2 if part == 'y' else 1)}d}"
    if part in {"am/pm", "a/p"}:
        return "AM" if _of(value, "hour") < 12 else "PM"
    return "" if part == "@" or _DIGITS.match(part) else part


def _is_minute(parts: list[str], at: int) -> bool:
    timed = [part[:1] for part in parts[:at] if part[:1] in set("ymdhs") and part != "am/pm"]
    after = [part[:1] for part in parts[at + 1 :] if part[:1] in set("ymdhs")]
    return timed[-1:] == ["h"] or after[:1] == ["s"]


def _of(value: object, name: str) -> int:
    found: int = getattr(value, name, 0)
    return found


def _duration(value: timedelta) -> str:
    minutes, seconds = divmod(int(value.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}"
