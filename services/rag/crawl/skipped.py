"""Why a page is left out."""


class Skipped(Exception):
    """A page that is left out; the message tells the source's owner why."""


class Unreachable(Skipped):
    """No answer came, or one that says to try again: `after` seconds, where it says so."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after
