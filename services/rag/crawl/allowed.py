"""What the robots.txt of each host allows a crawl."""

import asyncio
from collections import Counter
from urllib.parse import urljoin

import structlog

from libs.runtime.aside import aside
from services.rag.crawl.fetch.fetch import Fetcher, any_answer
from services.rag.crawl.fetch.robots import Rules, rules_of
from services.rag.crawl.fetch.skipped import ServerBusy, Skipped
from services.rag.crawl.limits import MOST_TRIES, CrawlLimits

log = structlog.get_logger()

FORBIDDEN = "The site's robots.txt does not allow it."
NO_ROBOTS = "The site's robots.txt can't be read, so nothing of the site may be."


class Robots:
    """The robots.txt of each host that a crawl meets, fetched once."""

    def __init__(self, fetcher: Fetcher, limits: CrawlLimits) -> None:
        self._fetcher = fetcher
        self._limits = limits
        self._known: dict[str, Rules | Skipped] = {}
        self._tries: Counter[str] = Counter()
        self._turn = asyncio.Lock()

    async def rules(self, url: str) -> Rules:
        """Return the rules for an address. Raises Skipped, Busy when it is to be tried later."""
        address = urljoin(url, "/robots.txt")
        async with self._turn:
            if address not in self._known:
                self._tries[address] += 1
                self._known[address] = await self._fetch(address)
        found = self._known[address]
        if isinstance(found, Skipped):
            raise Skipped(str(found))
        return found

    async def check(self, url: str) -> None:
        """Raise Skipped unless an address may be fetched."""
        rules = await self.rules(url)
        if not await aside(rules.size, rules.allow, url):
            raise Skipped(FORBIDDEN)

    async def delay(self, url: str) -> float:
        """Return the seconds between two requests to a host. Raises Skipped."""
        asked = min((await self.rules(url)).delay, self._limits.longest_delay)
        return max(asked, self._limits.delay)

    async def _fetch(self, address: str) -> Rules | Skipped:
        try:
            found = await self._fetcher.get(address, delay=0.0, accept=any_answer)
            agent = self._limits.agent
            rules = await aside(len(found.body), rules_of, found.status, found.body, agent)
        except Skipped as skipped:
            if isinstance(skipped, ServerBusy) and self._tries[address] < MOST_TRIES:
                raise
            return skipped
        except Exception:  # whatever stands in it
            log.exception("crawl.robots_failed", url=address)
            return Skipped(NO_ROBOTS)
        return rules or Skipped(NO_ROBOTS)
