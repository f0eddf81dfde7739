"""What goes wrong with embeddings; each message says what the server did and who can do what.

EmbeddingError
├── Refused            it will be the same next time: somebody has to change a setting
│   └── NotTaken       the request as it is, for whatever reason
│       └── TooMuch    too many texts in one request, or one that is too long
├── OddAnswer          an answer that can't be used; once is an accident, twice is how it is
│   └── Missing        not as many vectors as texts
└── Unavailable        it does not embed for now
    ├── Away           nothing is reached at its address
    ├── Broken         it failed inside
    └── Slow           it takes longer than EMBEDDINGS_TIMEOUT
"""

from libs.bus.queues import MAX_ATTEMPTS


class EmbeddingError(Exception):
    """The base. The message is for owners and operators, and has nothing of a text or an answer."""

    tries = 1
    """Deliveries of a job after which it ends with this."""
    said = ""
    """The beginning of the server's own words, which may repeat a text: for operators only."""


class EmbeddingRefused(EmbeddingError):
    """The server will refuse the same again."""


class NotTaken(EmbeddingRefused):
    """The server does not take the request as it is."""


class TooMuch(NotTaken):
    """The server refuses this many texts at once, or a text of this length."""


class OddAnswer(EmbeddingError):
    """The server answered with something that can't be used."""

    tries = 2


class Missing(OddAnswer):
    """The server sent more or fewer vectors than it got texts."""


class EmbeddingUnavailable(EmbeddingError):
    """The server does not embed right now. `wait`: seconds it asks for, None when it says none."""

    tries = MAX_ATTEMPTS

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


class Away(EmbeddingUnavailable):
    """Nothing was reached: a job waits for it, as for every other server."""


class Broken(EmbeddingUnavailable):
    """The server failed."""


class Slow(EmbeddingUnavailable):
    """The server did not answer in time."""
