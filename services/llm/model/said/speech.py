"""What of a model's text is said aloud: not its thoughts, not its end tokens, not its tool calls.

A model behind a server that does not sort them out writes its thoughts before the answer, between
tags. Text is held back only while it may be the beginning of such a tag. Where the prompt has the
opening tag already, only the closing one comes, after the thought was said: Anew takes it back.
A tag that stands in the middle of a line is talked about, and is text. No I/O.
"""

import json
import re

from services.llm.interface import Anew
from services.llm.model.said.markup import (
    BARE,
    CALLS,
    ENDS,
    LONGEST_TAG,
    ORPHAN,
    ORPHANS,
    STARTS,
    THOUGHTS,
    WRAPS,
    Kind,
    alternatives,
    open_tag,
    opened,
)

MOST_HIDDEN = 1_000_000
"""Characters of a block that are kept, in case it turns out to be text."""
MOST_MENTIONS = 50
"""Tags within a text after which all further ones are text: each costs a look at all of it."""
MOST_ENDS = 1000
"""Characters of end tokens that are held back; an answer of so many is no answer anyway."""
MOST_BLOCKS = 500
"""Tags at the start of a text after which all that follows is text."""
_CALL_KEYS = ("arguments", "parameters", "args", "input")
_JSON_CALL = re.compile(r"[\[{\s]*\"(?:name|function|type|tool|tool_name|tool_calls?|recipient)\"")
_JSON_BEGINS = re.compile(r"[\[{\s]*(?:\"\w{0,12})?")
_QUOTES = frozenset("`'\"\u201c\u2018\u00ab(")
_SPECIAL = re.compile(r"[<◁\[]|assistantfinal")


class Speech:
    """The text of one answer as it comes. `called`: some of it was a call of a tool."""

    def __init__(self, *, hide_thoughts: bool = True) -> None:
        self.called = False
        self._hide = hide_thoughts
        self._kinds = (*(THOUGHTS if hide_thoughts else ()), *CALLS)
        self._opens = alternatives(tuple(kind.opens for kind in self._kinds))
        self._said: list[str] = []
        self._held = ""
        self._hidden: Kind | None = None
        self._dropped: list[str] = []
        self._dropped_size = 0
        self._begun = False
        self._after_block = False
        self._json = False
        self._ends: tuple[str, ...] = ENDS
        self._anew = False
        self._mentions = 0
        self._steps = 0

    @property
    def spoke(self) -> bool:
        """Whether anything was said, and not taken back."""
        return bool(self._said)

    def push(self, text: str) -> list[str | Anew]:
        """Take the next text; return what is said of it."""
        if self._begun and not self._held and self._hidden is None and not _SPECIAL.search(text):
            self._said.append(text)
            return [text]
        self._held += text
        out: list[str] = []
        while self._step(out):
            pass
        return self._out("".join(out))

    def finish(self, *, stopped: bool) -> list[str | Anew]:
        """Return what is still to be said. `stopped`: the answer is whole, not cut at a limit."""
        out: list[str] = []
        if self._hidden is not None:
            self._finish_hidden(out, stopped=stopped)
        elif self._json and _is_call(self._held):
            self.called = True
        elif not self._begun:
            held = self._held.lstrip()
            self._say(self._without_ends(held if held.strip() else ""), out)
        else:
            self._say(self._without_ends(self._held), out)
        self._held = ""
        return self._out("".join(out))

    def _out(self, text: str) -> list[str | Anew]:
        if self._anew:
            self._anew = False
            return [Anew(text)]
        return [text] if text else []

    def _say(self, text: str, out: list[str]) -> None:
        if text:
            self._begun = True
            self._said.append(text)
            out.append(text)

    def _step(self, out: list[str]) -> bool:
        """Do one thing with what is held; False when more text has to come first."""
        if not self._held or self._json:
            return False
        self._steps += 1
        if self._steps > MOST_BLOCKS and self._hidden is None:
            self._mentions, self._begun = MOST_MENTIONS + 1, True
        if self._hidden is not None:
            return self._in_hidden(self._hidden)
        return self._within(out) if self._begun else self._at_start()

    # At the start, or after a block.

    def _at_start(self) -> bool:
        text = self._held.lstrip()
        if not text:
            return False
        small = text[: 2 * LONGEST_TAG].lower()
        for kind in (*self._kinds, *([BARE] if self._hide else ())):
            if (length := opened(kind, text, small)) is not None:
                self._hide_block(kind, text[length:])
                return True
        for literal in (*STARTS, *(WRAPS if self._after_block else ())):
            if small.startswith(literal):
                self._ends += (WRAPS[literal],) if literal in WRAPS else ()
                self._held, self._after_block = text[len(literal) :], True
                return True
        if _JSON_CALL.match(text):
            self._json = True
            return False
        if self._may_open(small):
            return False
        # Blank lines are no part of an answer; the indentation of its first line is.
        self._held = text if self._after_block else _without_blank_lines(self._held)
        self._begun = True
        return True

    def _may_open(self, small: str) -> bool:
        """Tell whether a text may be the beginning of something that is not said."""
        literals = (*(kind.opens for kind in self._kinds), *STARTS, *WRAPS)
        if any(len(small) < len(literal) and literal.startswith(small) for literal in literals):
            return True
        if self._hide and ("analysis".startswith(small) or open_tag(small)):
            return True
        return bool(_JSON_BEGINS.fullmatch(small)) and len(small) < LONGEST_TAG

    def _hide_block(self, kind: Kind, rest: str) -> None:
        self.called = self.called or kind.call
        self._hidden, self._held = kind, rest
        self._dropped, self._dropped_size = [], 0

    # Within a block that is not said.

    def _in_hidden(self, kind: Kind) -> bool:
        small = self._held.lower()
        places = [(small.find(end), len(end)) for end in kind.closes if end in small]
        if places:
            place, length = min(places)
            self._held = self._held[place + length :]
            self._hidden, self._begun, self._after_block = None, False, True
            return True
        gone = max(0, len(self._held) - LONGEST_TAG)
        if self._dropped_size < MOST_HIDDEN:
            self._dropped.append(self._held[:gone])
            self._dropped_size += gone
        self._held = self._held[gone:]
        return False

    def _finish_hidden(self, out: list[str], *, stopped: bool) -> None:
        """Decide on a block that was never closed: one in the middle of a text was none."""
        kind = self._hidden
        if kind is None or kind.call or not stopped:
            return
        if (kind is BARE or self._said) and self._dropped_size < MOST_HIDDEN:
            self._say("".join((kind.opens, *self._dropped, self._held)), out)

    # Within what is said.

    def _within(self, out: list[str]) -> bool:
        looking = self._mentions <= MOST_MENTIONS
        opening = self._opening() if looking else None
        closing = self._closing() if looking and self._hide else None
        if closing is not None and (opening is None or closing[0] < opening[0]):
            place, length = closing
            if self._mentioned(self._held[:place]):
                self._say(self._held[: place + length], out)
                self._held = self._held[place + length :]
                return True
            # All that was said was a thought: its opening tag was in the prompt.
            self._mentions += 1
            self._anew = True
            self._said.clear()
            out.clear()
            self._held = self._held[place + length :]
            self._begun, self._after_block = False, True
            return True
        if opening is not None:
            place, kind, length = opening
            self._say(self._held[:place], out)
            self._hide_block(kind, self._held[place + length :])
            return True
        keep = self._tail()
        if len(self._held) - keep > MOST_ENDS:
            keep = len(self._held)
        self._say(self._held[:keep], out)
        self._held = self._held[keep:]
        return False

    def _closing(self) -> tuple[int, int] | None:
        """Return where a closing tag stands, and its length."""
        if found := ORPHAN.search(self._held):
            return found.start(), len(found.group())
        place = self._held.find("assistantfinal")
        if place >= 0 and "".join(self._said[:9]).startswith("analysis"):
            return place, len("assistantfinal")
        return None

    def _mentioned(self, before: str) -> bool:
        """Tell whether a closing tag is only talked about: quoted, in code, or opened before."""
        self._mentions += 1
        if self._mentions > MOST_MENTIONS:
            return True
        said = f"{''.join(self._said)}{before}"
        if said[-1:] in _QUOTES or said.count("```") % 2:
            return True
        return bool(self._opens.search(said))

    def _opening(self) -> tuple[int, Kind, int] | None:
        """Return where a block begins, which, and how long its tag is. It begins a line."""
        for found in self._opens.finditer(self._held):
            before = f"{''.join(self._said[-3:])}{self._held[: found.start()]}"[-200:]
            line = before.rsplit("\n", 1)
            if len(line) < 2 or line[1].strip() or self._in_code(found.start()):
                continue
            kind = next(one for one in self._kinds if one.opens == found.group().lower())
            return found.start(), kind, len(found.group())
        return None

    def _in_code(self, place: int) -> bool:
        self._mentions += 1
        if self._mentions > MOST_MENTIONS:
            return True
        return f"{''.join(self._said)}{self._held[:place]}".count("```") % 2 == 1

    def _tail(self) -> int:
        """Return from where on what is held may be, or become, something that is not said."""
        text = self._held
        place = len(text)
        near = max(0, place - LONGEST_TAG)
        start = max(text.rfind(mark, near) for mark in "<[◁")
        if start >= 0 and self._may_become(text[start:].lower()):
            place = start
        ending = place
        while True:
            ended = self._before_end(text, ending)
            if ended is None:
                return min(place, ending)
            ending = ended

    def _may_become(self, small: str) -> bool:
        literals = (*self._ends, *ORPHANS, *(kind.opens for kind in self._kinds))
        return any(len(small) < len(literal) and literal.startswith(small) for literal in literals)

    def _without_ends(self, text: str) -> str:
        """Return a text without the end tokens at its end."""
        ending = len(text)
        while (ended := self._before_end(text, ending)) is not None:
            ending = ended
        return text[:ending]

    def _before_end(self, text: str, ending: int) -> int | None:
        """Return where the end token begins with which a text ends, but for white space."""
        while ending and text[ending - 1].isspace():
            ending -= 1
        last = text[max(0, ending - LONGEST_TAG) : ending].lower()
        end = next((one for one in self._ends if last.endswith(one)), None)
        return None if end is None else ending - len(end)


def _without_blank_lines(text: str) -> str:
    blank = text[: len(text) - len(text.lstrip())]
    return text[blank.rfind("\n") + 1 :]


def _is_call(text: str) -> bool:
    """Tell whether a whole answer is the JSON of a call, as some models write it."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return False
    calls = value if isinstance(value, list) else [value]
    return bool(calls) and all(isinstance(call, dict) and _names_call(call) for call in calls)


def _names_call(call: dict[str, object]) -> bool:
    if call.get("type") == "function" or "tool_calls" in call or "tool_call" in call:
        return True
    return any(key in call for key in _CALL_KEYS) and len(call) <= 4
