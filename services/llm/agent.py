"""How an agent answers: as its owner chose, and as the server is set where its owner did not."""

from dataclasses import dataclass

from libs.contracts.chat import AgentProfile, ChatGrounded
from services.llm.settings import LlmSettings


@dataclass(frozen=True)
class AgentSettings:
    """What holds for one answer.

    `verbatim`: the no-answer text is the owner's own, and said as it is in any language.
    `temperature` None: the model server's default.
    """

    threshold: float
    no_answer: str
    verbatim: bool
    max_tokens: int
    temperature: float | None = None

    def may_answer(self, grounded: ChatGrounded) -> bool:
        """Tell whether what was found is held to answer the question."""
        return bool(grounded.passages) and grounded.confidence >= self.threshold


def settings_of(agent: AgentProfile, server: LlmSettings) -> AgentSettings:
    """Return the settings for an answer of this agent."""
    own, default = agent.answer_threshold, server.answer_threshold
    most = server.llm_max_tokens
    return AgentSettings(
        threshold=default if own is None else own,
        no_answer=(agent.no_answer_text or server.no_answer_text).strip(),
        verbatim=agent.no_answer_text is not None,
        max_tokens=most if agent.max_tokens is None else min(agent.max_tokens, most),
        temperature=agent.temperature,
    )
