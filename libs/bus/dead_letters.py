"""The messages that no worker could handle: bury them, look at them, put them back, drop them."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from nats.aio.msg import Msg
from nats.errors import Error as NatsError
from nats.js.api import RawStreamMsg
from nats.js.errors import APIError, NotFoundError

from libs.bus.bus import CALL_TIMEOUT, DEAD_ROOM, Bus
from libs.bus.errors import Refused, ServiceUnavailable, is_permanent, translated
from libs.contracts.subjects import DEAD, EVENTS, dead
from libs.runtime.clock import now

log = structlog.get_logger()

MOST_REASON = 500
"""Characters of why a message died."""
REASON = "Alonchat-Reason"
"""The header that says why."""
CUT = "Alonchat-Cut"
"""The header that says how many bytes it had, of one that was too large to be kept whole."""
PREFIX = dead("")
CHAT = "chat."
"""How the subjects begin whose messages get an outcome on the event log."""
NO_MESSAGE = 10057
"""What NATS says of a message that is not there (any more)."""


@dataclass(frozen=True)
class DeadLetter:
    """One of them. `number` names it; `subject` is where it came from."""

    number: int
    subject: str
    reason: str
    at: datetime | None
    data: bytes
    whole: bool = True
    """False of one that was too large to be kept with all of its data."""

    @property
    def too_old(self) -> bool:
        """Whether to replay it could answer a message that has failed already.

        The event log refuses a second outcome of a chat message for as long as its window is.
        """
        if self.at is None or not self.subject.startswith(CHAT):
            return False
        return now() - self.at > timedelta(seconds=EVENTS.dedupe_window)


async def bury(bus: Bus, message: Msg, reason: str) -> None:
    """Keep the message for an operator, then take it off its queue."""
    subject = message.subject
    log.error("work.dead_letter", subject=subject, reason=reason)
    where = message.metadata
    headers = {
        # One line of ASCII: what it quotes comes from anywhere.
        REASON: " ".join(reason[:MOST_REASON].split()).encode("ascii", "replace").decode(),
        # Buried again after a crash in this moment, it is still one.
        "Nats-Msg-Id": f"{where.stream}.{where.sequence.stream}",
    }
    data = message.data
    try:
        bus.fitting(subject, data, headers)
    except Refused:  # not one of ours: those leave room for this
        headers[CUT] = str(len(data))
        data = data[:-DEAD_ROOM]
    try:
        await bus.jetstream.publish(dead(subject), data, headers=headers)
    except NatsError as error:
        bus.restore.missed(error)
        if not is_permanent(error):
            raise  # it comes again
        log.error("work.not_buried", subject=subject, error=str(error))
    await message.term()


class DeadLetters:
    """The dead letters of a system. Everything raises ServiceUnavailable when NATS is away."""

    def __init__(self, bus: Bus) -> None:
        self._bus = bus

    async def all(self, subject: str = ">") -> AsyncIterator[DeadLetter]:
        """Yield them, oldest first; `subject`, wildcards allowed, chooses by where they were."""
        number = 0
        while True:
            try:
                stored = await self._bus.jetstream.get_msg(
                    DEAD.name, seq=number + 1, subject=dead(subject), next=True
                )
            except NotFoundError:
                return
            except (NatsError, APIError) as error:
                raise ServiceUnavailable("nats") from error
            letter = _letter(stored)
            number = letter.number
            yield letter

    async def get(self, number: int) -> DeadLetter | None:
        """Return one, None when there is none of this number."""
        try:
            return _letter(await self._bus.jetstream.get_msg(DEAD.name, seq=number))
        except NotFoundError:
            return None
        except (NatsError, APIError) as error:
            raise ServiceUnavailable("nats") from error

    async def replay(self, letter: DeadLetter) -> None:
        """Put it back where it was, as a new message, then drop it here.

        Interrupted in between and repeated soon, it is there once: the stream knows its id.
        Raises Refused when the stream will not take it.
        """
        if not letter.whole:
            raise Refused(f"dead letter {letter.number} was too large to be kept whole")
        headers = {"Nats-Msg-Id": f"replay.{letter.number}"}
        try:
            await self._bus.jetstream.publish(
                letter.subject, letter.data, headers=headers, timeout=CALL_TIMEOUT
            )
        except (NatsError, APIError) as error:
            raise translated(error) from error
        await self.drop(letter)

    async def drop(self, letter: DeadLetter) -> None:
        """Forget it. Again: nothing."""
        try:
            await self._bus.jetstream.delete_msg(DEAD.name, letter.number)
        except (NatsError, APIError) as error:
            if not (isinstance(error, APIError) and error.err_code == NO_MESSAGE):
                raise ServiceUnavailable("nats") from error


def _letter(stored: RawStreamMsg) -> DeadLetter:
    headers = stored.headers or {}
    return DeadLetter(
        number=stored.seq or 0,
        subject=(stored.subject or "").removeprefix(PREFIX),
        reason=headers.get(REASON, ""),
        at=stored.time,
        data=stored.data or b"",
        whole=CUT not in headers,
    )
