"""A message on its way to its answer: who asks what, and the ids of all that it leaves."""

from dataclasses import dataclass, replace

from libs.runtime.ids import new_id, new_secret
from services.api.edge.auth import Caller
from services.api.store.agents import Agent


@dataclass(frozen=True)
class AnswerIds:
    """What names an answer, also before it is there; `visitor_token` is its visitor's, if any."""

    message_id: str
    conversation_id: str
    visitor_token: str | None

    @property
    def headers(self) -> dict[str, str]:
        """The headers that name the answer, also when there will be none."""
        headers = {"X-Message-Id": self.message_id, "X-Conversation-Id": self.conversation_id}
        if self.visitor_token:
            headers["X-Visitor-Token"] = self.visitor_token
        return headers


@dataclass(frozen=True)
class Turn:
    """A checked message to an agent. `metadata_json` is a JSON object.

    `continues` is the conversation that the client named, None for a new one.
    Accepting the same turn again changes nothing: everything that it leaves has its ids.
    """

    caller: Caller
    agent: Agent
    question: str
    continues: str | None
    metadata_json: str
    cancel_on_disconnect: bool
    ids: AnswerIds

    def under(
        self, message_id: str, conversation_id: str, visitor_token: str | None = None
    ) -> "Turn":
        """Return this turn under the ids that the message has already.

        `visitor_token` is for a visitor who brings none.
        """
        token = _known_token(self.caller) or visitor_token
        return replace(self, ids=AnswerIds(message_id, conversation_id, token))


def new_ids(caller: Caller, continues: str | None) -> AnswerIds:
    """Return ids that there were not before; a new visitor gets a token."""
    token = _known_token(caller)
    if caller.publishable and continues is None:
        token = token or new_secret("vt")
    return AnswerIds(new_id("msg"), continues or new_id("conv"), token)


def _known_token(caller: Caller) -> str | None:
    return caller.visitor_token if caller.publishable else None
