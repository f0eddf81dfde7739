"""What of a model's text is said aloud, however the text is cut."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.llm.interface import Anew
from services.llm.model.said.speech import Speech

TEXT = "We open at 9AM."
SAID = {
    "<think>\nsecret\n</think>\n\nWe open at 9AM.": TEXT,
    "\n <think>secret</think>We open at 9AM.": TEXT,
    "<think>a</think>\n<think>secret</think>We open at 9AM.": TEXT,
    "<thinking>secret</think>We open at 9AM.": TEXT,
    "secret\n</think>\n\nWe open at 9AM.": TEXT,
    "secret</think>more secret</think>We open at 9AM.": TEXT,
    "<|channel|>analysis<|message|>secret<|end|><|start|>assistant<|channel|>final<|message|>"
    "We open at 9AM.<|return|>": TEXT,
    "<|channel|>final<|message|>We open at 9AM.": TEXT,
    "analysisThe secret.assistantfinalWe open at 9AM.": TEXT,
    "<|START_THINKING|>secret<|END_THINKING|><|START_RESPONSE|>"
    "We open at 9AM.<|END_RESPONSE|>": TEXT,
    "<think>secret</think><answer>We open at 9AM.</answer>": TEXT,
    "<|im_start|>assistant\nWe open at 9AM.<|im_end|>\n": TEXT,
    "<think>secret": "",
    '<tool_call>{"name": "f"}</tool_call>': "",
    "[TOOL_CALLS][{}]": "",
    '[{"name": "f", "arguments": {}}]': "",
    "\n\n    indented": "    indented",
    "Use <think> and </think>.": "Use <think> and </think>.",
    "Close it with `</think>`.": "Close it with `</think>`.",
    "```\n<think>\n</think>\n```": "```\n<think>\n</think>\n```",
    "It is:\n<think>\nand so on": "It is:\n<think>\nand so on",
    "a < b, c<d, [1](x), {y}": "a < b, c<d, [1](x), {y}",
    "<b>9AM</b>": "<b>9AM</b>",
    "[1, 2] are numbers": "[1, 2] are numbers",
    '{"hours": "9AM"}': '{"hours": "9AM"}',
    " \n ": "",
}


def said(parts: list[str], *, stopped: bool = True, hide: bool = True) -> tuple[str, list[str]]:
    """Return the text that is left, and all that was said on the way."""
    speech = Speech(hide_thoughts=hide)
    text, heard = "", []
    for piece in [
        *(one for part in parts for one in speech.push(part)),
        *speech.finish(stopped=stopped),
    ]:
        text = piece.text if isinstance(piece, Anew) else text + piece
        heard.append(piece.text if isinstance(piece, Anew) else piece)
    return text, heard


@pytest.mark.parametrize("text", SAID)
@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 1000])
def test_thoughts_are_not_said(text: str, size: int) -> None:
    """Tags may be cut anywhere."""
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    assert said(parts)[0] == SAID[text]


def test_thought_with_its_opening_tag_is_never_heard() -> None:
    """Not even for a moment."""
    _, heard = said(list("<think>secret</think>We open."))
    assert "".join(heard) == "We open."


def test_text_is_not_held_back() -> None:
    """Only what may be the beginning of a tag waits for the rest of it."""
    speech = Speech()
    assert [speech.push(part) for part in ("We", " open <", "b> at", " 9AM", "</", "s")] == [
        ["We"],
        [" open "],
        ["<b> at"],
        [" 9AM"],
        [],
        [],
    ]
    assert speech.finish(stopped=True) == ["</s"]


def test_thoughts_can_be_kept() -> None:
    """LLM_HIDE_THOUGHTS=false."""
    text = "<think>\nsecret\n</think>\n\nWe open."
    assert said([text], hide=False)[0] == text


def test_cut_in_a_thought_says_nothing_of_it() -> None:
    """Whether it began the text or stands in it."""
    assert said(["<think>secret"], stopped=False)[0] == ""
    assert said(["We open.\n<think>\nsecret"], stopped=False)[0] == "We open.\n"


@given(st.text("ab \n.,é", max_size=100), st.integers(1, 7))
def test_plain_text_stays_as_it_is(text: str, size: int) -> None:
    """But for blank lines at its beginning."""
    found, _ = said([text[start : start + size] for start in range(0, len(text), size)])
    assert found == (text[len(text) - len(text.lstrip()) :] if not text.strip() else found)
    assert found.strip() == text.strip()
    assert text.endswith(found)


@given(st.text('<>|/think[]{}"`\n a', max_size=60), st.integers(1, 7))
def test_any_text_is_said_the_same_however_it_is_cut(text: str, size: int) -> None:
    """The cuts are the network's."""
    parts = [text[start : start + size] for start in range(0, len(text), size)]
    assert said(parts)[0] == said([text])[0]


def test_many_tags_cost_little() -> None:
    """Work is linear in the text, whatever stands in it."""
    for piece in ("</think>", "<", "\n<think>", "`</think>`", "<|im_end|> ", "</s> x"):
        said([piece] * 1_500)
        said([piece * 1_500])
