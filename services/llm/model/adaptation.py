"""What a model does not take, and how to ask it then. Pure, but for what is remembered.

Servers that call themselves compatible refuse fields that others demand. What was refused, and
worked without, is remembered for the model, so that the next question takes one request.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from cachetools import TTLCache

from services.llm.model.upstream_errors import ServerError, failure_of, limit_of
from services.llm.prompt.prompt import PromptTurn

REMEMBERED = 1000
"""Models that are remembered: their names come from the agents."""
REMEMBERED_FOR = 3600.0
"""Seconds after which a model is asked as any other: servers are updated."""
MOST_STEPS = 3
"""Refusals of one question that are answered by asking otherwise."""
REFUSALS = frozenset({400, 404, 422, 500, 501})
MAX_FIELDS = ("max_completion_tokens", "max_tokens")

_SYSTEM = re.compile(
    r"system.{0,40}(?:role|message|prompt|instruction|not supported|not allowed)|"
    r"role.{0,60}system|developer instruction|only user and assistant|"
    r"roles? must alternate|alternate user|must alternate"
)
_MAX_TOKENS = re.compile(r"max_\w*tokens|max tokens")
_ROLE_PLACE = re.compile(r"messages\W*\d*\W*role")


@dataclass(frozen=True)
class Adaptation:
    """How a model is asked. `max_field` None: with no limit on the answer, it takes neither name.

    `refused` are the names that it did not take, `most_tokens` is the most that it lets ask for.
    """

    max_field: str | None
    refused: tuple[str, ...] = ()
    most_tokens: int | None = None
    stream_options: bool = True
    temperature: bool = True
    system: bool = True

    def body(self, model: str, turns: list[PromptTurn], asked: "Wanted") -> dict[str, Any]:
        """Return the request for an answer."""
        messages = turns if self.system else folded(turns)
        body: dict[str, Any] = {"model": model, "messages": messages, "stream": True}
        if self.stream_options:
            body["stream_options"] = {"include_usage": True}
        if self.max_field:
            body[self.max_field] = self.tokens(asked)
        if asked.temperature is not None and self.temperature:
            body["temperature"] = asked.temperature
        return body

    def tokens(self, asked: "Wanted") -> int:
        """Return how many tokens the answer may have."""
        return min(asked.max_tokens, self.most_tokens or asked.max_tokens)


@dataclass(frozen=True)
class Wanted:
    """What an agent wants of an answer."""

    max_tokens: int
    temperature: float | None = None


def adapted(error: ServerError, now: Adaptation, asked: Wanted) -> Adaptation | None:
    """Return how to ask after an error that blames what was asked, None when it does not."""
    if error.status not in REFUSALS or error.page:
        return None
    if failure_of(error).code == "context_length_exceeded":
        return None  # its numbers are not about what was asked for
    text = error.text
    if now.stream_options and ("stream_options" in text or "include_usage" in text):
        return replace(now, stream_options=False)
    if now.max_field and _names(text, now.max_field):
        limit = limit_of(error)
        if limit and limit < now.tokens(asked):
            return replace(now, most_tokens=limit)
        refused = (*now.refused, now.max_field)
        other = next((field for field in MAX_FIELDS if field not in refused), None)
        return replace(now, max_field=other, refused=refused)
    if now.temperature and asked.temperature is not None and "temperature" in text:
        return replace(now, temperature=False)
    if now.system and (_SYSTEM.search(text) or _ROLE_PLACE.search(text)):
        return replace(now, system=False)
    return None


def folded(turns: list[PromptTurn]) -> list[PromptTurn]:
    """Put what the system says before the first message of the user."""
    system = "\n\n".join(turn["content"] for turn in turns if turn["role"] == "system")
    others = [turn for turn in turns if turn["role"] != "system"]
    if not system or not others:
        return turns
    first = others[0]
    if first["role"] != "user":
        return [PromptTurn(role="user", content=system), *others]
    return [PromptTurn(role="user", content=f"{system}\n\n{first['content']}"), *others[1:]]


class Adaptations:
    """What is remembered of the models of this process."""

    def __init__(self, max_field: str) -> None:
        self._usual = Adaptation(max_field)
        self._of: TTLCache[str, Adaptation] = TTLCache(REMEMBERED, REMEMBERED_FOR)

    def of(self, model: str) -> Adaptation:
        """Return how a model is asked."""
        return self._of.get(model, self._usual)

    def worked(self, model: str, adaptation: Adaptation) -> None:
        """Remember how a model could be asked."""
        if adaptation != self.of(model):
            self._of[model] = adaptation


def _names(text: str, field: str) -> bool:
    """Tell whether an error is about the limit of tokens that was asked for."""
    return field in text or bool(_MAX_TOKENS.search(text))
