"""The ids of a stream's events as clients see them: the answer's own id, and where in it they are.

They name the answer so that a client that lost its stream can be told apart from one that asks
anew, also when all it does is send the same request again.
"""

from services.api.chat.transcript import END


def shown(message_id: str, event_id: str) -> str:
    """Return the id that a client gets."""
    return f"{message_id}.{event_id}"


def message_of(last_event_id: str) -> str:
    """Return the message whose stream a client has read; nothing says that there is one."""
    return last_event_id.partition(".")[0]


def place(message_id: str, last_event_id: str) -> str:
    """Return where in this answer's stream the client was; another's id is nowhere in it."""
    return last_event_id.removeprefix(f"{message_id}.")


def is_end(message_id: str, last_event_id: str) -> bool:
    """Whether the client has seen all of this answer."""
    return place(message_id, last_event_id) == END
