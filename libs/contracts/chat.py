"""One chat request on its way: api → rag → llm, and the frames of the answer back to api."""

from datetime import datetime

from libs.contracts.calls import Call
from libs.contracts.message import Message, Part

EXTRACTIVE = "extractive"
"""The model of answers that are quoted from the sources; no language model is asked."""


CANCELLED = "cancelled"
"""The finish reason of answers that were stopped; their text is what there was by then."""


class Exchange(Part, frozen=True, kw_only=True):
    """A question of the conversation so far and the answer it got."""

    question: str
    answer: str


class AgentProfile(Part, frozen=True, kw_only=True):
    """What the workers need to know of an agent."""

    id: str
    name: str
    instructions: str = ""


class Passage(Part, frozen=True, kw_only=True):
    """A piece of a source that was retrieved. `relevance` is a probability, see rag/confidence.py.

    `text` is what goes into the prompt. For a source of type `qa`, `question` and `answer` are its
    two halves; otherwise they are empty. `heading` is the path to it within its document
    ("Delivery > Islands"), `page` counts from 1, `url` is the page of a website.
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

    `model` is the model to answer with, `credits` what was held for it. `history` is the end of
    the conversation, oldest first. `edge` is the api process that holds the client's connection.
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


class Ground(Message, frozen=True, kw_only=True, tag="rag.ground.v1"):
    """Find the passages for a question at once, while its message is being accepted."""

    agent_id: str
    question: str
    history: tuple[Exchange, ...] = ()


class Grounded(Message, frozen=True, kw_only=True, tag="rag.grounded.v1"):
    """The passages for a question, best first, and the confidence in them."""

    passages: tuple[Passage, ...]
    confidence: float


GROUND = Call("rag.ground", Ground, Grounded)


class ChatGrounded(Message, frozen=True, kw_only=True, tag="chat.grounded.v1"):
    """The request with the passages that were found for it; to be answered by llm."""

    request: ChatRequested
    passages: tuple[Passage, ...]
    confidence: float


def grounded_id(message_id: str) -> str:
    """The id under which a grounded request is published: once, whoever grounded it."""
    return f"grounded_{message_id}"


class ChatCancelled(Message, frozen=True, kw_only=True, tag="chat.cancelled.v1"):
    """Stop generating this answer, keep what there is.

    Its outcome is a MessageSent with the `finish_reason` CANCELLED, and 0 credits without a text.
    """

    message_id: str


class SourceUsed(Part, frozen=True, kw_only=True):
    """A source as the client sees it beside an answer."""

    id: str
    type: str
    title: str
    relevance: float
    text: str = ""
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


class TextFrame(Frame, frozen=True, kw_only=True, tag="reply.text.v1"):
    """The next piece of the text."""

    text: str
