"""Which pages of a site are known, and which is next. No I/O."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, replace

from services.rag.crawl.fetch.urls import Scope, without_query


@dataclass(frozen=True, kw_only=True)
class CrawlBounds:
    """Most addresses known, links from the start, addresses that differ in their query only."""

    urls: int
    depth: int
    variants: int


@dataclass(frozen=True)
class Known:
    """An address that was found `depth` links away from the start."""

    url: str
    depth: int


class Frontier:
    """First come, first served: what is near the start is first, a trap of endless links last."""

    def __init__(self, scope: Scope, bounds: CrawlBounds) -> None:
        self._scope = scope
        self._bounds = bounds
        self._known: set[str] = set()
        self._variants: Counter[str] = Counter()
        self._waiting: deque[Known] = deque()
        self._visited: set[str] = set()

    @property
    def known(self) -> int:
        """How many addresses were found so far."""
        return len(self._known)

    @property
    def waiting(self) -> int:
        """How many of them were not visited yet, at most."""
        return sum(one.url not in self._visited for one in self._waiting)

    def include(self, site: str) -> None:
        """Take another host as the same site."""
        self._scope = replace(self._scope, sites=self._scope.sites | {site})

    def covers(self, url: str) -> bool:
        """Say whether a normalised address belongs to the crawl."""
        return self._scope.covers(url)

    def add(self, urls: Iterable[str], depth: int) -> None:
        """Take up normalised addresses that belong to the crawl and are new."""
        if depth > self._bounds.depth:
            return
        for url in urls:
            if len(self._known) >= self._bounds.urls:
                return
            if url not in self._known and self._scope.covers(url) and self._has_room_for(url):
                self._known.add(url)
                self._waiting.append(Known(url, depth))

    def visit(self, url: str) -> bool:
        """Note that an address was visited, or stands for a page that was. False: it was before."""
        if url in self._visited:
            return False
        self._known.add(url)
        self._visited.add(url)
        return True

    def again(self, known: Known, passed: Iterable[str]) -> None:
        """Put an address at the end of the line once more; it may pass what it passed before."""
        self._visited.difference_update((known.url, *passed))
        self._waiting.append(known)

    def next(self) -> Known | None:
        """Return the next address and note it as visited; None when there is none now."""
        while self._waiting:
            found = self._waiting.popleft()
            if self.visit(found.url):
                return found
        return None

    def _has_room_for(self, url: str) -> bool:
        if "?" not in url:
            return True
        self._variants[without_query(url)] += 1
        return self._variants[without_query(url)] <= self._bounds.variants
