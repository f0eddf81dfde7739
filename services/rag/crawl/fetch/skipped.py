"""Why a page is left out."""

MOST_REASON = 300
"""Characters of a reason: some quote what a stranger's server says."""


class Skipped(Exception):
    """A page that is left out; the message tells the source's owner why."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason[:MOST_REASON])


class Unreachable(Skipped):
    """No answer came, or one that says to try again: `after` seconds, where it says so."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class ServerBusy(Unreachable):
    """There is a server, which asks for less."""
