"""A client that lost its stream and sends its message again is given the rest of the answer.

That is what the libraries do that read event streams of a POST: when the connection breaks, or the
tab was hidden for a moment, they repeat the request with the id of the last event in
`Last-Event-ID`. Taken for a new message it would be answered, and paid, once more.
"""

from libs.contracts.events import MessageFailed
from services.api.chat import event_ids
from services.api.chat.idempotency import Repeated
from services.api.chat.turn import Turn
from services.api.conversations.read import own_question
from services.api.http.errors import AnswerEnded, NotFound
from services.api.store.conversations import Conversations


class Reconnecting:
    """Finds the message that a request repeats."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    async def find(self, turn: Turn, last_event_id: str) -> Repeated | None:
        """Return the message of that event when it is the caller's and says the same, else None.

        Raises AnswerEnded when the client has seen all of its answer.
        """
        message_id = event_ids.message_of(last_event_id)
        try:
            asked, _ = await own_question(turn.caller, self._conversations, message_id)
        except NotFound:
            return None
        same = (turn.agent.id, turn.question, turn.metadata_json)
        if same != (asked.agent_id, asked.content, asked.metadata_json):
            return None
        if turn.continues not in (None, asked.conversation_id):
            return None
        outcome = await self._conversations.outcome(message_id)
        if isinstance(outcome, MessageFailed) and event_ids.is_end(message_id, last_event_id):
            return None  # it was not answered and cost nothing: a retry asks again
        found = Repeated(turn.under(message_id, asked.conversation_id), outcome)
        refuse_ended(found, last_event_id)
        return found


def refuse_ended(sent: Repeated, last_event_id: str) -> None:
    """Raise AnswerEnded when the client has seen all of the answer.

    Some libraries take the end of every response for a broken connection and repeat the request;
    only an error of the 4xx kind stops them.
    """
    if event_ids.is_end(sent.turn.ids.message_id, last_event_id):
        raise AnswerEnded
