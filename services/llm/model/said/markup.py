"""The tags that models write around what is not said: thoughts, calls of tools, ends. No I/O."""

import re
from dataclasses import dataclass
from functools import cache

NAMES = (
    "think",
    "thinking",
    "thought",
    "thoughts",
    "reasoning",
    "reason",
    "reflection",
    "scratchpad",
    "analysis",
    "inner_monologue",
    "chain_of_thought",
    "seed:think",
    "antthinking",
)
LONGEST_TAG = 64
"""Characters that a tag has at most."""


@dataclass(frozen=True)
class Kind:
    """A block that is not said: how it opens and closes, in small letters. `call`: of a tool."""

    opens: str
    closes: tuple[str, ...]
    call: bool = False


def _tag(name: str) -> Kind:
    """An XML-like tag; models mix up the two commonest closing ones."""
    closing = dict.fromkeys((f"</{name}>", "</think>", "</thinking>"))
    return Kind(f"<{name}>", tuple(closing))


_FINAL = "<|channel|>final<|message|>"
THOUGHTS = (
    *map(_tag, NAMES),
    Kind("[think]", ("[/think]",)),
    Kind("◁think▷", ("◁/think▷",)),
    Kind("<|think|>", ("<|/think|>", "<|end_think|>", "</think>")),
    Kind("<|thinking|>", ("<|/thinking|>", "<|end_thinking|>")),
    Kind("<|begin_of_thought|>", ("<|end_of_thought|>",)),
    Kind("<|start_thinking|>", ("<|end_thinking|>",)),
    Kind("<|channel|>", ("final<|message|>",)),
    Kind("<|start|>assistant<|channel|>", ("final<|message|>",)),
    Kind("<unused94>", ("<unused95>",)),
)
BARE = Kind("analysis", ("assistantfinal",))
"""The channels of gpt-oss where a server leaves out the tokens around their names."""
CALLS = (
    Kind("<tool_call>", ("</tool_call>",), call=True),
    Kind("<tool_calls>", ("</tool_calls>",), call=True),
    Kind("<function_call>", ("</function_call>",), call=True),
    Kind("<function_calls>", ("</function_calls>",), call=True),
    Kind("<start_function_call>", ("<end_function_call>",), call=True),
    Kind("<tool_code>", ("</tool_code>",), call=True),
    Kind("<function=", ("</function>",), call=True),
    Kind("<|tool_calls_section_begin|>", ("<|tool_calls_section_end|>",), call=True),
    Kind("<｜tool▁calls▁begin｜>", ("<｜tool▁calls▁end｜>",), call=True),  # noqa: RUF001  # its own character
    Kind("[tool_calls]", (), call=True),
    Kind("<|tool_call|>", ("<|/tool_call|>",), call=True),
    Kind("<|python_tag|>", (), call=True),
)
ENDS = (
    "<|im_end|>",
    "<|end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|endoftext|>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<|end_of_turn_token|>",
    "<|return|>",
    "<|eos|>",
    "<end_of_turn>",
    "<eos>",
    "</s>",
    "[eos]",
    "<｜end▁of▁sentence｜>",  # noqa: RUF001  # its own character
    "<|end▁of▁sentence|>",
    "<|endofassistant|>",
    "[/inst]",
)
WRAPS = {
    "<answer>": "</answer>",
    "<response>": "</response>",
    "<|begin_of_solution|>": "<|end_of_solution|>",
    "<|start_response|>": "<|end_response|>",
    "<|start_text|>": "<|end_text|>",
}
"""What some models put around the answer after a thought."""
STARTS = (
    "<|im_start|>assistant",
    "<|start_header_id|>assistant<|end_header_id|>",
    "<start_of_turn>model",
    "<|assistant|>",
    "<|begin_of_text|>",
    "<bos>",
    "<s>",
    "[/inst]",
)
_OPEN_TAG = re.compile(rf"<([a-z_:]{{1,20}})\s[^<>]{{0,{LONGEST_TAG}}}")
_TAG_WITH_MORE = re.compile(rf"<([a-z_:]{{1,20}})\s[^<>]{{0,{LONGEST_TAG}}}>")


@cache
def alternatives(literals: tuple[str, ...]) -> re.Pattern[str]:
    """Return a pattern for any of these, in letters of any case."""
    return re.compile("|".join(map(re.escape, literals)), re.IGNORECASE)


ORPHANS = tuple(
    dict.fromkeys(
        (
            *(f"</{name}>" for name in NAMES),
            "[/think]",
            "◁/think▷",
            "<|end_of_thought|>",
            "<|end_thinking|>",
            "<|/think|>",
            _FINAL,
        )
    )
)
ORPHAN = alternatives(ORPHANS)


def opened(kind: Kind, text: str, small: str) -> int | None:
    """Return the length of the tag when a text begins with that of a kind."""
    if kind is BARE:
        # "analysisWe need to": no word of a sentence goes on like that.
        return 8 if small.startswith("analysis") and text[8:9].isupper() else None
    if small.startswith(kind.opens):
        return len(kind.opens)
    if kind.opens.startswith("<") and kind.opens.endswith(">") and "|" not in kind.opens:
        found = _TAG_WITH_MORE.match(small)
        return found.end() if found and f"<{found[1]}>" == kind.opens else None
    return None


def open_tag(small: str) -> bool:
    """Tell whether a text is a thought's tag with attributes, not yet closed."""
    found = _OPEN_TAG.fullmatch(small)
    return bool(found) and found.group(1) in NAMES if found else False
