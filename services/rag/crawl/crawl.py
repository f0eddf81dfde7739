"""One crawl: from the address of a website to its pages, each kept as soon as it is read.

What it has done so far is in `source_pages` alone. A crawl that was cut off reads its visits again,
in their order, and goes on as if it had made them itself.
"""

import asyncio
import re
from collections import Counter, deque
from urllib.parse import urljoin

import httpx
import msgspec
import structlog

from libs.bus.queues import OUTAGES
from services.rag.crawl.allowed import Robots
from services.rag.crawl.fetch.fetch import Fetched, Fetcher, gunzipped, only_success
from services.rag.crawl.fetch.robots import directives_of
from services.rag.crawl.fetch.skipped import ServerBusy, Skipped
from services.rag.crawl.fetch.urls import Scope, normalised, site_of, spelling_of
from services.rag.crawl.frontier import Frontier, Known
from services.rag.crawl.kept import Pages, Visit, packed
from services.rag.crawl.limits import MOST_TRIES, CrawlLimits
from services.rag.crawl.pages.kinds import HTML, content_type, file_name, suffix_of
from services.rag.crawl.pages.read import SITEMAP, ReadPage
from services.rag.crawl.pages.reader import UNREADABLE, Reader
from services.rag.crawl.progress import Progress
from services.rag.crawl.state import CrawlClaim, Gone, SiteStates

log = structlog.get_logger()

_SENDABLE = re.compile(r"[!-~](?:[ -~]*[!-~])?")
"""A header's value of printable ASCII."""
ELSEWHERE = "It redirects to a page that does not belong to the crawl."
SAME_PAGE = "It is the same page as another one."
NO_INDEX = "It asks not to be indexed (noindex)."
MOST_REFRESHES = 5
"""How often pages may send their readers on, one behind the other."""
OTHER_KIND = "It is no page or document that can be read"


class Crawl:
    """The crawl of one source, in this process."""

    def __init__(
        self,
        claim: CrawlClaim,
        fetcher: Fetcher,
        reader: Reader,
        pages: Pages,
        states: SiteStates,
        limits: CrawlLimits,
    ) -> None:
        scope = claim.website.crawl
        wanted = 1 if scope is None else scope.max_pages or limits.pages
        self._most = min(wanted, limits.pages)
        self._claim = claim
        self._fetcher = fetcher
        self._reader = reader
        self._pages = pages
        self._states = states
        self._limits = limits
        self._robots = Robots(fetcher, limits)
        self._progress = Progress()
        self._digests: set[str] = set()
        self._shapes: set[tuple[str, str]] = set()
        self._tries: Counter[str] = Counter()
        self._start = claim.website.url
        self._frontier = Frontier(
            Scope(
                sites=frozenset({site_of(self._start)}),
                include=scope.include if scope else (),
                exclude=scope.exclude if scope else (),
            ),
            limits.bounds,
        )
        self._running: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Do it, or the rest of it. Raises Gone."""
        # Each delivery of the job has all of the time: what a crash took must not cost pages.
        self._end = asyncio.get_running_loop().time() + self._limits.seconds
        try:
            await self._resume()
            if self._claim.website.crawl is not None:
                await self._read_sitemaps()
            await self._walk()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
        shown = self._progress.shown(self._frontier.known, self._note())
        await self._states.finish(self._claim, shown, self._progress.error)
        if self._progress.fetched:
            await self._pages.delete_earlier(self._claim.source_id, self._claim.number)

    def _note(self) -> str:
        """Say which bound ended the crawl, if one did."""
        if self._claim.website.crawl is None or not self._frontier.waiting:
            return ""
        if self._progress.fetched >= self._most:
            return f"The crawl ended at {self._most} pages; the site has more."
        if self._is_late():
            return f"The crawl ended after {self._limits.seconds:g} s; the site has more pages."
        return f"The crawl ended at {self._limits.characters} characters; the site has more."

    def _is_late(self) -> bool:
        return asyncio.get_running_loop().time() >= self._end

    async def _resume(self) -> None:
        async for visit in self._pages.visits(self._claim.source_id, self._claim.number):
            self._frontier.visit(visit.url)
            self._count(visit)
        if self._frontier.visit(self._start):
            await self._visit(Known(self._start, 0))

    async def _walk(self) -> None:
        while True:
            while self._has_room() and (known := self._frontier.next()):
                self._running.add(asyncio.create_task(self._visit(known)))
            if not self._running:
                return
            done, self._running = await asyncio.wait(
                self._running, return_when=asyncio.FIRST_COMPLETED
            )
            for task in done:
                task.result()

    def _has_room(self) -> bool:
        return (
            len(self._running) < self._limits.at_once
            and self._progress.fetched + len(self._running) < self._most
            and self._progress.characters < self._limits.characters
            and not self._is_late()
        )

    async def _visit(self, known: Known) -> None:
        passed: list[str] = []
        try:
            visit, text = await self._read_page(known, passed)
        except Skipped as skipped:
            if isinstance(skipped, ServerBusy) and self._may_come_again(known):
                self._frontier.again(known, passed)
                return
            visit, text = _nothing(known, str(skipped))
        except (Gone, *OUTAGES):
            raise
        except Exception:  # whatever a page does to us, it does not ruin the others
            log.exception("crawl.page_failed", url=known.url)
            visit, text = _nothing(known, UNREADABLE)
        # From here to the count nothing waits: of two equal pages at once one is the second.
        visit = msgspec.structs.replace(visit, number=self._progress.visits)
        if visit.skipped is None and self._is_there(visit):
            visit = msgspec.structs.replace(visit, skipped=SAME_PAGE)
        self._count(visit)
        claim = self._claim
        await self._pages.save(claim.agent_id, claim.source_id, claim.number, visit, text)
        await self._states.progress(claim, self._progress.shown(self._frontier.known))

    def _may_come_again(self, known: Known) -> bool:
        """Tell whether a page of a busy server is asked for once more, later."""
        self._tries[known.url] += 1
        return self._tries[known.url] < MOST_TRIES and not self._is_late()

    def _is_there(self, visit: Visit) -> bool:
        """Tell whether a page is one that there is already, whatever address it names as its own.

        Its text decides, to the letter; under another spelling of its address, without what
        a page is stamped with.
        """
        return visit.digest in self._digests or not self._shapes.isdisjoint(_shapes_of(visit))

    def _count(self, visit: Visit) -> None:
        """Take a visit into account, one of this process or of another before it."""
        self._progress.count(visit)
        if visit.skipped is None:
            self._digests.add(visit.digest)
            self._shapes.update(_shapes_of(visit))
        if visit.final:
            self._frontier.visit(visit.final)
        if visit.depth == 0 and visit.final:
            # "example.com" that redirects to "www.example.com" is one site.
            self._frontier.include(site_of(visit.final))
        self._frontier.add(visit.links, visit.depth + 1)

    async def _read_page(self, known: Known, passed: list[str]) -> tuple[Visit, bytes | None]:
        """Return a visit and the packed text, None when that is kept already. Raises Skipped.

        `passed` takes the addresses that the page led to on the way.
        """
        earlier = await self._earlier(known.url)

        async def check(url: str) -> None:
            if url != known.url:
                self._check_redirect(known, url)
                passed.append(url)
            await self._robots.check(url)

        url = known.url
        for _ in range(MOST_REFRESHES + 1):
            fetched = await self._fetcher.get(
                url,
                delay=await self._robots.delay(url),
                check=check,
                accept=_readable,
                headers=_unless_changed(earlier),
            )
            if earlier is not None and fetched.status == httpx.codes.NOT_MODIFIED:
                return msgspec.structs.replace(earlier, depth=known.depth), None
            read = await self._read_body(fetched)
            if read.refresh is None or read.refresh == fetched.url:
                break
            url, earlier = read.refresh, None
        else:
            raise Skipped(f"It sends its readers on more than {MOST_REFRESHES} times.")
        # Packing a long text takes the processor for a while; answers go on meanwhile.
        text = await asyncio.to_thread(packed, read.sections)
        return self._visit_of(known, fetched, read), text

    async def _read_body(self, fetched: Fetched) -> ReadPage:
        kind, charset = content_type(fetched.headers.get("content-type", ""))
        name = file_name(fetched.url, fetched.headers.get("content-disposition", ""))
        suffix = suffix_of(kind, name) or ""
        read = await self._reader.read(
            fetched.body, url=fetched.url, suffix=suffix, charset=charset
        )
        return read if suffix == HTML else msgspec.structs.replace(read, title=read.title or name)

    def _check_redirect(self, known: Known, url: str) -> None:
        if known.depth and not self._frontier.covers(url):
            raise Skipped(ELSEWHERE)
        if not self._frontier.visit(url):
            raise Skipped(SAME_PAGE)

    async def _earlier(self, url: str) -> Visit | None:
        if self._claim.number == 1:
            return None
        return await self._pages.earlier(self._claim.source_id, url)

    def _visit_of(self, known: Known, fetched: Fetched, read: ReadPage) -> Visit:
        headers = fetched.headers
        said = directives_of(headers.get_list("x-robots-tag"), self._limits.agent) | read.robots
        return Visit(
            url=known.url,
            depth=known.depth,
            final=fetched.url,
            cited=self._cited_as(fetched.url, read.canonical),
            title=read.title,
            digest=read.digest,
            shape=read.shape,
            notes=read.notes,
            links=() if "nofollow" in said or self._claim.website.crawl is None else read.links,
            size=sum(len(one.text) + len(one.answer) for one in read.sections),
            etag=headers.get("etag", ""),
            modified=headers.get("last-modified", ""),
            skipped=NO_INDEX if "noindex" in said else read.error,
        )

    def _cited_as(self, url: str, canonical: str | None) -> str:
        """Return the address that a page is known by: a spelling of its own that it prefers.

        What else a page may name is another page: some sites have one template that names the same
        on all of them.
        """
        if canonical is not None and spelling_of(canonical) == spelling_of(url):
            return canonical
        return url

    async def _read_sitemaps(self) -> None:
        """Take up what the site's sitemaps name. A site without one has its links."""
        waiting = deque(await self._sitemaps())
        seen: set[str] = set()
        entries = self._limits.entries
        while waiting and len(seen) < self._limits.sitemaps and not self._is_late():
            url = waiting.popleft()
            # Twice what will be read is enough: large sites have thousands of these files.
            if url in seen or entries <= 0 or self._frontier.known > 2 * self._most:
                continue
            seen.add(url)
            read = await self._read_sitemap(url)
            self._frontier.add(read.links[:entries], 1)
            entries -= len(read.links)
            waiting.extend(read.sitemaps)

    async def _sitemaps(self) -> list[str]:
        try:
            named = (await self._robots.rules(self._start)).sitemaps
        except Skipped:
            return []
        found = [normalised(one, self._start) for one in named] or [
            urljoin(self._start, "/sitemap.xml")
        ]
        return [url for url in found if url is not None]

    async def _read_sitemap(self, url: str) -> ReadPage:
        try:
            delay = await self._robots.delay(url)
            fetched = await self._fetcher.get(url, delay=delay)
            content = gunzipped(fetched.body, self._limits.bytes)
        except Skipped:
            return ReadPage()
        return await self._reader.read(content, url=fetched.url, suffix=SITEMAP)


def _shapes_of(visit: Visit) -> set[tuple[str, str]]:
    return {(spelling_of(visit.final), visit.shape)}


def _nothing(known: Known, reason: str) -> tuple[Visit, bytes]:
    return Visit(url=known.url, depth=known.depth, skipped=reason), packed(())


def _readable(response: httpx.Response, url: str) -> None:
    """Raise Skipped for what is no page or document that can be read."""
    only_success(response, url)
    kind, _ = content_type(response.headers.get("content-type", ""))
    name = file_name(url, response.headers.get("content-disposition", ""))
    if response.status_code != httpx.codes.NOT_MODIFIED and suffix_of(kind, name) is None:
        raise Skipped(f"{OTHER_KIND} ({kind or 'unknown type'}).")


def _unless_changed(earlier: Visit | None) -> dict[str, str]:
    if earlier is None:
        return {}
    asked = {"if-none-match": earlier.etag, "if-modified-since": earlier.modified}
    # What a server may send, but nobody may send back, is forgotten.
    return {name: value for name, value in asked.items() if _SENDABLE.fullmatch(value)}
