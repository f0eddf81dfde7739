"""What the owner of a source is told about its crawl. No I/O."""

from libs.contracts.sources import SitePages, SkippedPage
from services.rag.crawl.kept import Visit

MOST_SHOWN = 50
"""Skipped pages that are shown with their reasons."""


class Progress:
    """Counts the visits of a crawl."""

    def __init__(self) -> None:
        self.fetched = 0
        self.characters = 0
        self.visits = 0
        self._skipped = 0
        self._shown: list[SkippedPage] = []
        self._first: str | None = None

    def count(self, visit: Visit) -> None:
        """Take a visit into account."""
        self.visits += 1
        if visit.skipped is None:
            self.fetched += 1
            self.characters += visit.size
            return
        self._skipped += 1
        self._first = self._first or visit.skipped
        if len(self._shown) < MOST_SHOWN:
            self._shown.append(SkippedPage(url=visit.url, reason=visit.skipped))

    @property
    def error(self) -> str | None:
        """Why there is no page at all: what was wrong with the first."""
        return None if self.fetched else self._first

    def shown(self, known: int, note: str = "") -> SitePages:
        """Return what a source shows; `known` counts the addresses that were found."""
        return SitePages(
            fetched=self.fetched,
            known=known,
            skipped=self._skipped,
            reasons=tuple(self._shown),
            note=note,
        )
