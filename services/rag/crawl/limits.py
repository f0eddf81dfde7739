"""What bounds a crawl."""

from dataclasses import dataclass

from services.rag.crawl.frontier import CrawlBounds

MOST_TRIES = 3
"""How often something is asked for whose server says that it is asked too much."""


@dataclass(frozen=True, kw_only=True)
class CrawlLimits:
    """What bounds a crawl.

    Pages, characters of all pages, seconds, seconds between two requests and the longest that a
    site can ask for, pages at once, bytes of a sitemap, entries and files of all sitemaps.
    """

    pages: int
    characters: int
    seconds: float
    delay: float
    longest_delay: float
    at_once: int
    bytes: int
    entries: int
    sitemaps: int
    agent: str
    bounds: CrawlBounds
