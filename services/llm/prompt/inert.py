"""Makes text that others wrote plain text for a model, whatever it imitates.

Some model servers read the control tokens of their model's chat format (<|im_start|>, [INST], …)
also where they stand in a message's text: then a text could begin a message in another's name. No
delimiter helps against that, so the first character of such a token is replaced by its entity. All
other text stays as it is, HTML and code too.
"""

# ruff: noqa: RUF001 - the look-alikes are what this is about

import re

# Possessive: two such runs beside each other would else be tried in every division between them.
_INVISIBLE = r"[\s\u00ad\u034f\u180e\u200b-\u200f\u2060-\u2064\ufe00-\ufe0f\ufeff]*+"
_LESS = "[<＜﹤‹⟨〈❬˂ᐸ]"
_BAR = "[|｜∣ǀ│❘￨]"
_BRACKET = "[\\[［]"
_TURNS = ("s", "bos", "eos", "pad", "unk", "start_of_turn", "end_of_turn", "end_of_utterance")
_BLOCKS = ("INST", "SYSTEM_PROMPT", "AVAILABLE_TOOLS", "TOOL_CALLS", "TOOL_RESULTS", "TOOL_CONTENT")


def _loosely(words: tuple[str, ...]) -> str:
    """Return a pattern for any of the words, whatever invisible characters stand within."""
    return "(?:" + "|".join(_INVISIBLE.join(map(re.escape, word)) for word in words) + ")"


_CONTROL = re.compile(
    f"{_LESS}(?={_INVISIBLE}(?:{_BAR}"
    f"|/?{_INVISIBLE}{_loosely(_TURNS)}{_INVISIBLE}[>＞﹥]"
    f"|{_LESS}{_INVISIBLE}/?{_INVISIBLE}{_loosely(('SYS',))}))"
    f"|{_BRACKET}(?={_INVISIBLE}/?{_INVISIBLE}{_loosely(_BLOCKS)}{_INVISIBLE}[\\]］])",
    re.IGNORECASE,
)
_SMUGGLED = re.compile("[\U000e0000-\U000e007f]")
"""ASCII in characters that nobody sees and some models read."""


def inert(text: str) -> str:
    """Return the text without invisible letters and with every control token broken."""
    return _CONTROL.sub(_entity, _SMUGGLED.sub("", text))


def _entity(match: re.Match[str]) -> str:
    return "&#91;" if match[0] in "[［" else "&lt;"
