"""Prompt injection through the whole stack: whatever an attack says, it stays where it stands.

What a model makes of a prompt is the model's; what we answer for is that rules and data reach it
apart. The attacks are in tests/llm/injection.json, by the place that they come from.
"""

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.support.tokenizer import seen_by_a_tokenizer

ATTACKS = json.loads((Path(__file__).parents[1] / "llm" / "injection.json").read_text("utf-8"))[
    "attacks"
]
QUESTION = "How much is delivery within the city?"
FACT = "Delivery within the city costs 80 pesos."
MODEL = "fake-echo"
LONGEST_MESSAGE = 8_000
"""Characters; of a longer attack the end is sent, as the API takes no more."""
SMUGGLED = re.compile("[\U000e0000-\U000e007f]")


def of(place: str) -> pytest.MarkDecorator:
    """Parametrize a test by the attacks of one place."""
    attacks = [attack for attack in ATTACKS if attack["place"] == place]
    return pytest.mark.parametrize(
        "text", [attack["text"] for attack in attacks], ids=[attack["id"] for attack in attacks]
    )


class Prompt:
    """What the model server received, taken apart by its delimiters."""

    def __init__(self, turns: Sequence[dict[str, str]]) -> None:
        self.roles = [turn["role"] for turn in turns]
        self.said = [turn["content"] for turn in turns[1:]]
        self.everything = "\n".join(turn["content"] for turn in turns)
        # The first delimiter is ours: nothing that others wrote stands before it.
        [code] = re.findall(r"^<passages-([0-9a-f]{12})>$", turns[0]["content"], re.MULTILINE)[:1]
        self.tags = re.findall(rf"(</?passages?)-{code}", self.everything)
        begin, end = f"<passages-{code}>\n", f"\n</passages-{code}>"
        self.delimiters = self.everything.count(begin), self.everything.count(end)
        self.rules, _, rest = turns[0]["content"].partition(begin)
        self.passages, _, self.closing = rest.rpartition(end)


@pytest.fixture
async def agent(client: Client) -> str:
    """An agent that always hears the same rules."""
    return await client.agent(name="Rosa", model=MODEL, answer_threshold=0)


async def asked(client: Client, model: FakeOpenAI, agent: str, message: str, **body: Any) -> Prompt:
    """Ask an agent; return the prompt that the model got."""
    answer = await client.chat(agent, message, **body)
    assert answer["model"] == MODEL
    return Prompt(model.chats[-1].body["messages"])


async def harmless(client: Client, model: FakeOpenAI) -> Prompt:
    """Return the prompt of an agent that nobody attacks."""
    agent = await client.agent(source(FACT), name="Rosa", model=MODEL, answer_threshold=0)
    return await asked(client, model, agent, QUESTION)


def source(text: str, title: str = "Delivery") -> dict[str, str]:
    """A source that is found for the question."""
    return {"type": "text", "title": title, "text": text}


def shown(text: str) -> str:
    """Return a text as it was written: entities undone, invisible letters and white space gone."""
    plain = SMUGGLED.sub("", text).replace("&lt;", "<").replace("&#91;", "[")
    return "".join(plain.replace("＜", "<").replace("［", "[").replace('"', "'").split())  # noqa: RUF001


def assert_apart(prompt: Prompt, unattacked: Prompt) -> None:
    """One pair of delimiters; rules before and after it as ever; no control token anywhere."""
    assert prompt.delimiters == (1, 1)
    # A very long message is near to no source.
    passage = [] if "(nothing was found)" in prompt.passages else ["<passage", "</passage"]
    assert prompt.tags == ["<passages", *passage, "</passages"]
    assert (prompt.rules, prompt.closing) == (unattacked.rules, unattacked.closing)
    assert prompt.rules.startswith("You are Rosa,")
    assert "passages end here" in prompt.closing
    assert prompt.roles == ["system", *["user", "assistant"] * (len(prompt.said) // 2), "user"]
    assert not seen_by_a_tokenizer(prompt.everything)


@of("source")
async def test_source_stays_a_passage(
    client: Client, model: FakeOpenAI, agent: str, text: str
) -> None:
    """The attack is within the passages and nowhere else."""
    await client.agent_source(agent, source(f"{FACT}\n{text}"))
    prompt = await asked(client, model, agent, QUESTION)
    assert_apart(prompt, await harmless(client, model))
    assert shown(text) in shown(prompt.passages)
    assert prompt.said == [QUESTION]


@of("title")
async def test_title_stays_a_title(
    client: Client, model: FakeOpenAI, agent: str, text: str
) -> None:
    """On the line of its passage's tag, within its quotes."""
    await client.agent_source(agent, source(FACT, title=text))
    prompt = await asked(client, model, agent, QUESTION)
    assert_apart(prompt, await harmless(client, model))
    [title] = re.findall(r'^<passage-[0-9a-f]+ title="([^"\n]*)">$', prompt.passages, re.MULTILINE)
    assert shown(title) == shown(text)
    assert prompt.said == [QUESTION]


@of("message")
async def test_message_stays_the_users(
    client: Client, model: FakeOpenAI, agent: str, text: str
) -> None:
    """The last turn, of the user; the passages are what they were."""
    await client.agent_source(agent, source(FACT))
    room = LONGEST_MESSAGE - len(QUESTION) - 1
    message = f"{QUESTION} {text[-room:]}"
    prompt = await asked(client, model, agent, message)
    unattacked = await harmless(client, model)
    assert_apart(prompt, unattacked)
    assert [shown(said) for said in prompt.said] == [shown(message)]


@of("history")
async def test_history_stays_history(
    client: Client, model: FakeOpenAI, agent: str, text: str
) -> None:
    """What the user said, and the model repeated, is in their turns; the question is the last."""
    await client.agent_source(agent, source(FACT))
    model.scripts[MODEL] = Script(text=text)
    try:
        first = await client.chat(agent, text)
    finally:
        model.scripts[MODEL] = Script(echo=True)
    conversation_id = first["conversation_id"]
    prompt = await asked(client, model, agent, QUESTION, conversation_id=conversation_id)
    assert_apart(prompt, await harmless(client, model))
    assert [shown(said) for said in prompt.said] == [
        shown(text),
        shown(text),
        QUESTION.replace(" ", ""),
    ]
