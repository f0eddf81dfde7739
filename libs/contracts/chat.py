"""One chat request on its way: api → rag → llm, and the frames of the answer back to api."""

from datetime import datetime
from typing import Self

from libs.contracts.calls import Call
from libs.contracts.message import Message, Part

EXTRACTIVE = "extractive"
"""The model of answers that are quoted from the sources; no language model is asked."""


CANCELLED = "cancelled"
"""The finish reason of answers that were stopped; their text is what there was by then."""


class Exchange(Part, frozen=True, kw_only=True):
    """A question of the conversation so far and the answer it got.

    `answered` is the question of the Q&A that the answer came from, empty when it came from none.
    """

    question: str
    answer: str
    answered: str = ""


class AgentProfile(Part, frozen=True, kw_only=True):
    """What the workers need to know of an agent.

    None stands for the server's setting; of `language`, for the language of the question.
    `suggestions` is how many follow-up questions at most go with an answer.
    """

    id: str
    name: str
    instructions: str = ""
    temperature: float | None = None
    max_tokens: int | None = None
    language: str | None = None
    answer_threshold: float | None = None
    no_answer_text: str | None = None
    suggestions: int = 3


class Fallback(Part, frozen=True, kw_only=True):
    """A model that answers when those before it can't, and what it costs then."""

    model: str
    credits: int


class Passage(Part, frozen=True, kw_only=True):
    """A piece of a source that was retrieved.

    `relevance` is a probability, see rag/search/confidence.py. `text` is what goes into the
    prompt. For a source of type `qa`, `question` and `answer` are its two halves; otherwise they
    are empty. `heading` is the path to it within its document ("Delivery > Islands"), `page`
    counts from 1, `url` is the page of a website.
    """

    source_id: str
    type: str
    title: str
    relevance: float
    text: str
    question: str = ""
    answer: str = ""
    heading: str = ""
    page: int | None = None
    url: str | None = None


class ChatRequested(Message, frozen=True, kw_only=True, tag="chat.requested.v1"):
    """A client's message, checked, paid for (held) and stored; to be grounded by rag.

    The durable way: a message that was grounded ahead is published as ChatGrounded at once.

    `model` is the model to answer with, `credits` what was held for it; `fallbacks` come after it,
    in order, and cost no more. `history` is the end of the conversation, oldest first. `edge` is
    the api process that holds the client's connection.
    """

    message_id: str
    conversation_id: str
    account_id: str
    agent: AgentProfile
    question: str
    history: tuple[Exchange, ...] = ()
    model: str
    credits: int
    edge: str
    requested_at: datetime
    fallbacks: tuple[Fallback, ...] = ()


class Ground(Message, frozen=True, kw_only=True, tag="rag.ground.v1"):
    """Find the passages for a question at once, while its message is being accepted.

    And up to so many `suggestions` of what to ask next.
    """

    agent_id: str
    question: str
    history: tuple[Exchange, ...] = ()
    suggestions: int = 0


class Grounded(Message, frozen=True, kw_only=True, tag="rag.grounded.v1"):
    """The passages for a question, best first, and the confidence in them.

    `suggestions` are questions of the agent's own Q&A that may be asked next, nearest first.
    """

    passages: tuple[Passage, ...]
    confidence: float
    suggestions: tuple[str, ...] = ()


GROUND = Call("rag.ground", Ground, Grounded)


class ChatGrounded(Message, frozen=True, kw_only=True, tag="chat.grounded.v1"):
    """The request with what was found for it (see Grounded); to be answered by llm."""

    request: ChatRequested
    passages: tuple[Passage, ...]
    confidence: float
    suggestions: tuple[str, ...] = ()

    @classmethod
    def of(cls, request: ChatRequested, found: Grounded) -> Self:
        """Join a request and what was found for it."""
        return cls(
            request=request,
            passages=found.passages,
            confidence=found.confidence,
            suggestions=found.suggestions,
        )


class ChatCancelled(Message, frozen=True, kw_only=True, tag="chat.cancelled.v1"):
    """Stop generating this answer, keep what there is.

    Its outcome is a MessageSent with the `finish_reason` CANCELLED, and 0 credits without a text.
    """

    message_id: str


class SourceUsed(Part, frozen=True, kw_only=True):
    """A source as the client sees it beside an answer: `text` is the passage below `heading`."""

    id: str
    type: str
    title: str
    relevance: float
    text: str = ""
    heading: str = ""
    page: int | None = None
    url: str | None = None


class Frame(Message, frozen=True, kw_only=True):
    """A piece of an answer on its way to the client.

    `attempt` counts the deliveries of the request: a worker that takes over after a crash sends a
    higher one, and everything of a lower one is void. `seq` counts from 0 within the attempt, so
    that a reader sees a gap.
    """

    attempt: int
    seq: int


class SourcesFrame(Frame, frozen=True, kw_only=True, tag="reply.sources.v1"):
    """Always the first frame of an attempt."""

    sources: tuple[SourceUsed, ...]
    confidence: float


class TextFrame(Frame, frozen=True, kw_only=True, omit_defaults=True, tag="reply.text.v1"):
    """The next piece of the text. `anew`: in the place of all that came before it."""

    text: str
    anew: bool = False
