"""Websites on their way through rag, from a real server of ours with every trap."""

import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import replace
from itertools import pairwise

import pytest

from libs.bus.bus import Bus
from libs.bus.errors import FaultError
from libs.contracts.events import SourceFailed, SourceReady
from libs.contracts.queues import AGENT_DELETED
from libs.contracts.sources import (
    DELETE_SOURCE,
    GET_SOURCE,
    UPDATE_SOURCE,
    CreateSource,
    DeleteSource,
    GetSource,
    SitePages,
    Source,
    UpdateSource,
)
from libs.runtime.mongo import Database
from services.rag.app import run
from services.rag.crawl.fetch.fetch import PRIVATE
from services.rag.crawl.kept import Pages
from services.rag.crawl.limits import MOST_TRIES
from services.rag.crawl.state import Gone, SiteStates
from tests.fakes import website
from tests.fakes.website import HTML, Answer, Website, page, redirect, running_website, text
from tests.rag import documents, sites
from tests.rag.service import Rag, agent_deleted
from tests.rag.sites import source
from tests.support.rag_process import process, stop, until_up
from tests.support.source_texts import long_text
from tests.waiting import eventually


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """An empty site."""
    async with running_website() as site:
        yield site


@pytest.fixture
def crawling(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The settings of a rag service that may read the site, in a hurry."""
    settings = {
        "CRAWL_PRIVATE_NETWORKS": "127.0.0.1/32",
        "CRAWL_DELAY": "0",
        "PAGE_TIMEOUT": "2",
        "PAGE_RETRIES": "0",
        "MAX_PAGE_BYTES": str(sites.MOST_BYTES),
        "CRAWL_DEPTH": str(sites.DEPTH),
        "EMBEDDINGS_BATCH": "16",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    return environment | settings


@pytest.fixture
async def rag(crawling: dict[str, str], rag_bus: Rag) -> AsyncIterator[Rag]:
    """A running rag service that may read the site."""
    assert crawling
    async with run():
        yield rag_bus


async def shown(rag: Rag, created: CreateSource) -> Source:
    """Return what a source shows now."""
    question = GetSource(agent_id="a1", source_id=created.source_id)
    return await rag.bus.call(GET_SOURCE, question)


async def ready(rag: Rag, created: CreateSource) -> Source:
    """Add a source, wait until it is ready, return it."""
    await rag.add_ready([created], "a1")
    return await shown(rag, created)


async def failed(rag: Rag, created: CreateSource) -> str:
    """Add a source, wait until it has failed, return why."""
    await rag.add(created, "a1")
    event = await rag.event(SourceFailed, created.source_id)
    assert isinstance(event, SourceFailed)
    found = await shown(rag, created)
    assert (found.status, found.error) == ("failed", event.message)
    return event.message


async def test_a_whole_site(rag: Rag, site: Website) -> None:
    """Each page is read once, and every trap is left out with its reason."""
    sites.build(site)
    asked = source(site.url("/?utm_source=x#top"), max_pages=400, exclude=("/excluded",))
    found = await ready(rag, asked)
    assert found.website is not None
    assert found.website.url == site.url("/")
    assert found.pages is not None
    reasons = {one.url.removeprefix(site.base): one.reason for one in found.pages.reasons}
    loops = [url for url in reasons if url.startswith("/loop/")]
    assert {reasons.pop(url) for url in loops} == {"It is the same page as another one."}
    assert reasons == {
        "/hop/1": "It redirects more than 5 times.",
        "/inside": "It redirects to a page that does not belong to the crawl.",
        "/huge": "It is larger than 200000 bytes.",
        "/bomb": "It is larger than 200000 bytes.",
        "/slow": "The server took longer than 2 s.",
        "/picture": "It is no page or document that can be read (image/png).",
        "/missing": "It was not found (404).",
        "/advice/21": "It was not found (404).",
        "/error": "The server answered with an error (500).",
        "/hidden": "It asks not to be indexed (noindex).",
        "/private/x": "The site's robots.txt does not allow it.",
        "/copy?print=1": "It is the same page as another one.",
        "/hop/0": "It is the same page as another one.",
        "/print/about": "It is the same page as another one.",
    }
    traps = sum(one.startswith(("/calendar", "/loop")) for one in site.targets)
    assert traps == sites.DEPTH + 3
    good = sites.PRODUCTS + sites.ARTICLES + 7
    assert found.pages.fetched == good + traps - len(loops)
    assert found.pages.skipped == len(reasons) + len(loops)
    assert found.chunks >= found.pages.fetched
    assert len(site.targets) == len(set(site.targets))
    assert not {"/excluded/x", "/logo.png", "/private/x"} & set(site.targets)


@pytest.mark.parametrize(
    ("question", "path", "title", "says"),
    [
        ("How much is lamp number 77?", "/p/77", "Lamp 77", "177 pesos"),
        ("Who founded the shop in 1980?", "/about", "About us", "two sisters"),
        ("Does the café mañana serve coffee?", "/latin", "Café", "café mañana"),
        ("Are broken lamps repaired free?", "/broken", "Broken", "repaired"),
        ("When does the press office answer?", "/private/open", "Press", "within a day"),
        ("What is behind a hidden page?", "/from-hidden", "Found", "garden"),
    ],
)
async def test_what_a_passage_says_of_its_page(
    question: str, path: str, title: str, says: str, lamp_shop: tuple[Rag, Website]
) -> None:
    """The page's own address and title, whatever the page's encoding and state."""
    rag, site = lamp_shop
    found = (await rag.ask("a1", question)).passages[0]
    assert (found.url, found.title, found.type) == (site.url(path), title, "website")
    assert says in found.text


@pytest.fixture
async def lamp_shop(rag: Rag, site: Website) -> tuple[Rag, Website]:
    """A rag service that knows the good pages of the shop."""
    sites.build(site)
    linked = ("/", "/about", "/p/7", "/latin", "/broken", "/private/open", "/hidden")
    await ready(rag, source(site.url(), max_pages=40, include=(*linked[1:], "/from-hidden")))
    return rag, site


async def test_only_the_page(rag: Rag, site: Website) -> None:
    """Without a crawl no link is followed and no sitemap read."""
    sites.build(site)
    found = await ready(rag, source(site.url("/about")))
    assert (found.pages, found.chunks) == (SitePages(fetched=1, known=1, skipped=0), 1)
    assert [one.target for one in site.asked] == ["/robots.txt", "/about"]
    assert {one.headers["user-agent"] for one in site.asked} == {"AlonchatBot/1"}


async def test_a_document_of_a_site(rag: Rag, site: Website) -> None:
    """What parse/ reads of uploaded files is read of a site, with the page of a PDF."""
    pages = [("Fees", "The delivery fee is 90 pesos."), ("Returns", "Within fourteen days.")]
    site.pages["/"] = page("Shop", "See our papers.", "/manual.pdf", "/list")
    site.pages["/manual.pdf"] = Answer(documents.pdf(pages), kind="application/octet-stream")
    site.pages["/list"] = text("lamp,price\nbrass,90", "text/csv")
    found = await ready(rag, source(site.url(), max_pages=5))
    assert found.pages == SitePages(fetched=3, known=3, skipped=0)
    passage = (await rag.ask("a1", "Within how many days are returns possible?")).passages[0]
    assert (passage.url, passage.page) == (site.url("/manual.pdf"), 2)


async def test_the_most_pages(rag: Rag, site: Website) -> None:
    """A crawl ends at its limit and says so; those near the start come first."""
    sites.build(site)
    found = await ready(rag, source(site.url(), max_pages=3, include=("/p/", "/advice")))
    assert found.pages is not None
    assert (found.pages.fetched, found.chunks) == (3, 3)
    assert found.pages.note == "The crawl ended at 3 pages; the site has more."


async def test_a_site_that_moved(rag: Rag, site: Website) -> None:
    """Where the first page redirects to is the same site: "www." in front of a name, say."""
    async with running_website() as moved:
        site.pages["/"] = redirect(moved.url("/en/"), 301)
        moved.pages["/en/"] = page("Home", "Welcome to the shop.", "more", "//127.0.0.99/x")
        moved.pages["/en/more"] = page("More", "There is more here.")
        found = await ready(rag, source(site.url(), max_pages=5))
        assert found.pages == SitePages(fetched=2, known=3, skipped=0)
        assert moved.targets == ["/en/", "/en/more"]


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(b"", 404), "It was not found (404)."),
        (Answer(b"", 403), "The server does not let us read it (403)."),
        (Answer(b"", 503), "The server answered with an error (503)."),
        (Answer(b"", 500), "The server answered with an error (500)."),
        (redirect(sites.ELSEWHERE), PRIVATE),
        (redirect("http://169.254.169.254/latest/meta-data"), PRIVATE),
        (redirect("http://[::ffff:10.0.0.1]/"), PRIVATE),
        (redirect("http://localhost.localdomain:1/"), "The server can't be reached."),
        (redirect("file:///etc/passwd"), "It redirects to what is no web address."),
        (redirect("/"), "It redirects more than 5 times."),
        (redirect("/#again"), "It redirects more than 5 times."),
        (Answer(b"<html><body><script>x()</script></body></html>"), "JavaScript only"),
        (Answer(b"", 200), "There is no text on it."),
        (Answer(b"x" * 300_000), "It is larger than 200000 bytes."),
        (website.bomb(1_000_000), "It is larger than 200000 bytes."),
        (Answer(b"no gzip", headers={"content-encoding": "gzip"}), "It is damaged"),
        (Answer(b"x", headers={"content-encoding": "br"}), "packed it in a way"),
        (Answer(b"x", kind="video/mp4"), "that can be read (video/mp4)."),
        (Answer(b"<p>late</p>", seconds=10.0), "The server took longer than 2 s."),
        (Answer(b"no PDF", kind="application/pdf"), "not a PDF"),
        (Answer(b"<p>x</p>", headers={"x-robots-tag": "noindex"}), "(noindex)"),
    ],
)
async def test_why_a_page_failed(rag: Rag, site: Website, answer: Answer, reason: str) -> None:
    """The reason is one that the owner of the source understands."""
    site.pages["/"] = answer
    assert reason in await failed(rag, source(site.url()))


async def test_what_is_not_even_asked(rag: Rag, site: Website) -> None:
    """Addresses that are not public, and what robots.txt forbids or can't say."""
    async with running_website("127.0.0.2") as inside:
        assert await failed(rag, source(inside.url())) == PRIVATE
        assert inside.asked == []
    site.pages["/robots.txt"] = text("User-agent: AlonchatBot\nDisallow: /")
    site.pages["/"] = page("Home", "Welcome.")
    assert await failed(rag, source(site.url())) == "The site's robots.txt does not allow it."
    site.pages["/robots.txt"] = Answer(status=500)
    assert "robots.txt can't be read" in await failed(rag, source(site.url(), max_pages=2))
    assert site.targets == []


@pytest.mark.parametrize(
    ("created", "param"),
    [
        (source("ftp://a.example/"), "url"),
        (source("https:///x"), "url"),
        (source("https://user:secret@a.example/"), "url"),
        (source("https://a.example/" + "x" * 2_000), "url"),
        (source("https://a.example:99999/"), "url"),
        (source("https://a.example/", max_pages=1_001), "crawl.max_pages"),
        (source("https://a.example/", max_pages=0), "crawl.max_pages"),
        (source("https://a.example/", include=("docs",)), "crawl.include"),
        (source("https://a.example/", exclude=("docs",)), "crawl.exclude"),
    ],
)
async def test_what_is_refused_at_once(rag: Rag, created: CreateSource, param: str) -> None:
    """What can be said without asking the site."""
    with pytest.raises(FaultError) as refusal:
        await rag.add(created, "a1")
    assert (refusal.value.fault.code, refusal.value.fault.param) == ("invalid", param)


async def test_politeness(rag: Rag, site: Website) -> None:
    """robots.txt says how fast, and never are more pages asked for at once than allowed."""
    site.pages["/robots.txt"] = text("User-agent: *\nCrawl-delay: 0.2")
    site.pages["/"] = page("Home", "Welcome.", "/1", "/2", "/3", "/4", "/5", "/6")
    site.pages |= {f"/{n}": page(f"Page {n}", f"This is page {n}.") for n in range(1, 7)}
    await ready(rag, source(site.url(), max_pages=20))
    times = [one.at for one in site.asked if not one.target.startswith("/robots")]
    assert len(times) == 8
    assert all(later - sooner > 0.15 for sooner, later in pairwise(times))
    assert site.most_open <= 4


def is_a_page(target: str) -> bool:
    """Whether a target is one of the many pages of the shop."""
    return target.startswith(("/p/", "/advice/"))


async def kept(database: Database) -> int:
    """Count what is kept of all pages."""
    return await database["source_pages"].count_documents({})


async def holds(database: Database, pages: int) -> bool:
    """Whether so many pages are kept."""
    return await kept(database) == pages


async def test_pages_go_with_their_agent(rag: Rag, site: Website, database: Database) -> None:
    """Deleting an agent leaves no page of its sites, and those of others alone."""
    site.pages["/"] = page("Home", "Welcome.")
    await ready(rag, source(site.url()))
    other = source(site.url())
    await rag.add_ready([other], "a2")
    assert await kept(database) == 2
    await rag.publish(AGENT_DELETED.at("a1"), agent_deleted("a1"))
    await eventually(lambda: holds(database, 1))
    assert (await rag.ask("a2", "Welcome")).passages


async def test_a_server_that_says_to_come_later(
    crawling: dict[str, str], rag_bus: Rag, site: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked a few times, each after what it names or the longest that is allowed."""
    assert crawling
    monkeypatch.setenv("PAGE_RETRIES", "1")
    monkeypatch.setenv("CRAWL_DELAY_MAX", "1")
    site.pages["/"] = Answer(status=503, headers={"retry-after": "3600"})
    async with run():
        assert "(503)" in await failed(rag_bus, source(site.url()))
    asked = [one.at for one in site.asked if one.target == "/"]
    assert len(asked) == 2 * MOST_TRIES
    assert all(0.9 < later - earlier < 30 for earlier, later in pairwise(asked))


BUSY = Answer(status=503)
REFRESH = Answer(b'<meta http-equiv="refresh" content="0; url=/way">')


@pytest.mark.parametrize(
    "answers",
    [
        {"/old": [redirect("/new")] * 2, "/new": [BUSY, page("New", "Welcome.")]},
        {
            "/old": [redirect("/way")] * 2,
            "/way": [redirect("/new")] * 2,
            "/new": [BUSY, page("New", "Welcome.")],
        },
        {"/old": [REFRESH] * 2, "/way": [BUSY, page("New", "Welcome.")]},
        {"/robots.txt": [BUSY, BUSY, text("")], "/old": [page("New", "Welcome.")]},
    ],
    ids=["behind a redirect", "behind two", "behind a refresh", "robots.txt"],
)
async def test_what_was_busy_once_is_read(
    rag: Rag, site: Website, answers: dict[str, list[Answer]]
) -> None:
    """The second try goes the way of the first."""
    site.pages["/"] = page("Home", "Hello.", "/old")
    site.other = lambda target: (
        answers[target].pop(0) if answers.get(target) else Answer(status=404)
    )
    found = await ready(rag, source(site.url(), max_pages=9))
    assert found.pages is not None
    assert (found.pages.fetched, found.pages.skipped) == (2, 0)
    assert (await rag.ask("a1", "Welcome")).passages


@pytest.mark.parametrize("whole_agent", [False, True])
async def test_a_deletion_stops_the_crawl(
    rag: Rag, site: Website, database: Database, whole_agent: bool
) -> None:
    """No further page is asked for, and nothing of those that were is left."""
    sites.build(site)
    created = source(site.url(), max_pages=100)

    async def is_on_its_way() -> bool:
        return site.open == 4 and await kept(database) > 1

    async def is_gone() -> bool:
        return not await kept(database) and await database["sources"].count_documents({}) == 0

    with site.holding(is_a_page):
        await rag.add(created, "a1")
        await eventually(is_on_its_way)
        if whole_agent:
            await rag.publish(AGENT_DELETED.at("a1"), agent_deleted("a1"))
        else:
            await rag.bus.call(
                DELETE_SOURCE, DeleteSource(agent_id="a1", source_id=created.source_id)
            )
        await eventually(is_gone)
        before = len(site.asked)
    await eventually(lambda: idle(rag))
    assert len(site.asked) == before
    assert await kept(database) == 0


async def idle(rag: Rag) -> bool:
    """Whether no job of a source is waiting or under way."""
    return (await rag.bus.jetstream.stream_info("SOURCES")).state.messages == 0


async def test_a_slow_site_holds_nobody_up(
    crawling: dict[str, str], rag_bus: Rag, site: Website, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other sources are indexed while sites are crawled, with a single slot for either."""
    assert crawling
    monkeypatch.setenv("RAG_INGEST_SLOTS", "1")
    sites.build(site)
    async with run():
        with site.holding(is_a_page):
            crawls = [source(site.url(), max_pages=20 + n) for n in range(3)]
            for created in crawls:
                await rag_bus.add(created, "a1")
            await rag_bus.add_ready([long_text(3)], "a1")
            assert {(await shown(rag_bus, one)).status for one in crawls} <= {
                "queued",
                "processing",
            }
        for created in crawls:
            assert isinstance(await rag_bus.event(SourceReady, created.source_id), SourceReady)


async def test_a_killed_crawl_goes_on(
    bus: Bus, crawling: dict[str, str], site: Website, database: Database
) -> None:
    """After a kill -9 the next process asks for no page that the first had read."""
    sites.build(site)
    created = source(site.url(), max_pages=100, include=("/p/", "/advice/"))
    async with Rag(bus) as rag:
        async with process(crawling) as first:
            await until_up(bus)
            await rag.add(created, "a1")

            async def is_half_done() -> bool:
                return await kept(database) > 30

            await eventually(is_half_done)
            first.send_signal(signal.SIGKILL)
            await first.wait()
        before = await kept(database)
        assert before < 100, "too fast to be killed in the middle"
        async with process(crawling) as second:
            assert isinstance(await rag.event(SourceReady, created.source_id), SourceReady)
            found = await shown(rag, created)
            assert await stop(second) == 0
    assert found.pages is not None
    assert (found.status, found.pages.fetched, found.chunks) == ("ready", 100, 100)
    again = Counter(site.targets)
    assert sum(again.values()) - len(again) <= 4  # what was under way at the kill
    assert set(again) >= {"/", "/p/20"}


async def test_crawled_anew(rag: Rag, site: Website, database: Database) -> None:
    """What has not changed is not sent again, what is gone goes, what is new comes."""
    site.pages["/"] = page("Home", "Welcome.", "/same", "/changes", "/goes")
    site.pages["/same"] = replace(page("Same", "It stays."), headers={"etag": '"2"'})
    site.pages["/changes"] = page("Changes", "The old price is 5.")
    site.pages["/goes"] = page("Goes", "Soon gone.")
    created = source(site.url(), max_pages=10)
    await ready(rag, created)
    site.pages["/changes"] = page("Changes", "The new price is 6.", "/new")
    site.pages["/new"] = page("New", "Just in.")
    site.pages["/"] = page("Home", "Welcome.", "/same", "/changes")
    rag.seen_events.clear()
    again = UpdateSource(agent_id="a1", source_id=created.source_id)
    await rag.bus.call(UPDATE_SOURCE, again)
    await rag.event(SourceReady, created.source_id)
    pages = Pages(database)
    found = {one.url: one async for one in pages.contents(created.source_id, 2)}
    assert {url.removeprefix(site.base) for url in found} == {"/", "/same", "/changes", "/new"}
    assert "new price is 6" in found[site.url("/changes")].sections[0].text
    assert found[site.url("/same")].sections[0].text
    await eventually(lambda: holds(database, 4))
    conditions = {one.target: one.headers.get("if-none-match") for one in site.asked}
    assert (conditions["/same"], conditions["/changes"]) == ('"2"', None)
    grounded = await rag.ask("a1", "What is the price?")
    texts = "".join(passage.text for passage in grounded.passages)
    assert "new price is 6" in texts
    assert "old price" not in texts


async def test_a_crawl_that_was_taken_over_stops(
    rag: Rag, site: Website, database: Database
) -> None:
    """Two processes with the same job: the one that came last goes on, alone."""
    site.pages["/"] = page("Home", "Welcome.")
    created = source(site.url())
    await ready(rag, created)
    states = SiteStates(database)
    first = await states.take(created.source_id)
    second = await states.take(created.source_id)
    with pytest.raises(Gone):
        await states.progress(first, SitePages(fetched=1, known=1, skipped=0))
    await states.progress(second, SitePages(fetched=7, known=8, skipped=0))
    found = (await shown(rag, created)).pages
    assert found is not None
    assert found.fetched == 7


BAD = ("http://xn--/", "http://xn--a/", "http://xn--ls8h.la/", "http://[::1%25x]/", "http://a..b/")
"""Names that can't be decoded, or looked up."""


async def test_bad_names_and_headers_ruin_nothing(rag: Rag, site: Website) -> None:
    """In robots.txt, sitemaps, links, canonical, base, redirects; odd headers, twice; bad bytes."""
    named = "".join(f"Sitemap: {bad}\nHost: {bad}\n" for bad in BAD)
    listed = "".join(f"<url><loc>{bad}</loc></url>" for bad in BAD)
    heads = [f'<link rel="canonical" href="{bad}"><base href="{bad}">' for bad in BAD]
    odd = {
        "etag": '"\u00e9"',
        "last-modified": "\u00e9t\u00e9",
        "content-type": 'text/html; charset=utf-8; a="' + ";" * 20_000,
        "set-cookie": "a=b",
        "set-cookie2": "a;" * 20_000,
        "x-robots-tag": ",:" * 5_000,
    }
    odd_page = page("Odd", "A page whose headers are odd, and which is read even so.")
    site.pages |= {
        "/robots.txt": text(f"User-agent: *\nAllow: /\n{named}Sitemap: {site.url('/map.xml')}\n"),
        "/map.xml": Answer(f"<urlset>{listed}</urlset>".encode(), kind="application/xml"),
        "/": page("Home", "All about lamps.", *BAD, "/to/0", "/to/1", "/to/2", "/n/0", "/n/1",
                  "/odd", "/nul", "/good"),
        **{f"/to/{at}": redirect(bad) for at, bad in enumerate(BAD[:3])},
        **{f"/n/{at}": page(f"Page {at}", f"Lamp of the kind {at}.", head=head)
           for at, head in enumerate(heads[:2])},
        "/odd": replace(odd_page, headers={**odd, "content-type": HTML}),
        "/nul": Answer(b"<html><body><p>Lamps \0 with a dot in between.</p></body></html>"),
        "/good": replace(odd_page, body=b"<p>A good page.</p>", headers=odd),
    }  # fmt: skip
    asked = source(site.url("/"), max_pages=50)
    found = await ready(rag, asked)
    assert found.pages is not None
    reasons = {one.url.removeprefix(site.base): one.reason for one in found.pages.reasons}
    assert set(reasons) <= {"/to/0", "/to/1", "/to/2", "/good"}
    assert found.pages.fetched >= 5
    again = UpdateSource(agent_id="a1", source_id=asked.source_id)
    await rag.bus.call(UPDATE_SOURCE, again)

    async def read_again() -> bool:
        now = await shown(rag, asked)
        return now.status == "ready" and now.version == 2

    await eventually(read_again)
    second = (await shown(rag, asked)).pages
    assert second is not None
    assert (second.fetched, second.skipped) == (found.pages.fetched, found.pages.skipped)


@pytest.mark.parametrize("url", [*BAD, "http://a\\b/", "http://x:0/", "http://a\0b/"])
async def test_a_bad_address_is_refused_by_name(rag: Rag, url: str) -> None:
    """It is the client's error, and the field is named."""
    with pytest.raises(FaultError) as refused:
        await rag.add(source(url), "a1")
    assert (refused.value.fault.code, refused.value.fault.param) == ("invalid", "url")
