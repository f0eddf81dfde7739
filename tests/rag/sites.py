"""The site of a shop with every trap that a crawler can meet, and websites as sources."""

import gzip
from dataclasses import replace

from libs.contracts.sources import CrawlScope, CreateSource, Website
from libs.runtime.ids import new_id
from tests.fakes import website
from tests.fakes.website import HTML, Answer, page, redirect

PRODUCTS = 180
ARTICLES = 20
ELSEWHERE = "http://127.0.0.99:1/secret"
"""On this machine too, but not in the network that the tests allow."""
MOST_BYTES = 200_000
DEPTH = 25


def source(url: str, **scope: object) -> CreateSource:
    """A website source; with `max_pages`, `include` or `exclude` a crawl."""
    crawl = CrawlScope(**scope) if scope else None  # type: ignore[arg-type]
    return CreateSource(
        source_id=new_id("src"),
        account_id="acc",
        agent_id="",
        kind="website",
        title="Shop",
        website=Website(url=url, crawl=crawl),
    )


def product(number: int) -> Answer:
    """A page of the catalogue, in the sitemap alone."""
    return page(
        f"Lamp {number}", f"Lamp number {number} costs {number + 100} pesos, in brass.", "/"
    )


def article(number: int) -> Answer:
    """A page that links lead to, one after another."""
    text = f"Advice {number}: clean a brass lamp of model {number} with lemon {number} times."
    return page(f"Advice {number}", text, f"{number + 1}?utm_source=nav#top", "../")


def build(site: website.Website) -> None:
    """Make the site: 202 good pages, and around them what has to be left out."""
    site.pages |= {
        "/": page(
            "The Lamp Shop",
            "We sell lamps of brass and glass. Open every day but Sunday.",
            *("/about", "/advice/1", "/hop/1", "/hop/0", "/inside", "/huge", "/slow", "/picture"),
            *("/bomb", "/broken", "/latin", "/missing", "/hidden", "/copy", "/copy?print=1"),
            *("/private/x", "/private/open", "/print/about", "/logo.png", "mailto:a@b.example"),
            *("https://other.example/", "/calendar/1", "/loop/a/", "/excluded/x", "/error"),
        ),
        "/about": page("About us", "Founded in 1980 by two sisters from Cebu.", "/"),
        "/robots.txt": website.text(
            f"User-agent: *\nDisallow: /private/\nAllow: /private/open\n"
            f"Sitemap: {site.url('/sitemap-index.xml')}\nSitemap: {site.url('/sitemap-bad.xml')}\n"
        ),
        "/sitemap-index.xml": website.text(
            "<sitemapindex xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>"
            f"<sitemap><loc>{site.url('/sitemap-1.xml.gz')}</loc></sitemap>"
            f"<sitemap><loc>{site.url('/sitemap-index.xml')}</loc></sitemap>"
            "</sitemapindex>",
            "application/xml",
        ),
        "/sitemap-1.xml.gz": _sitemap(site),
        "/sitemap-bad.xml": website.text("<!DOCTYPE x [<!ENTITY a 'b'>]><urlset><url>&a;"),
        "/private/x": page("Private", "The secret number is 4711."),
        "/private/open": page("Press", "Our press office answers within a day."),
        "/hop/0": redirect("/about"),
        **{f"/hop/{n}": redirect(f"/hop/{n + 1}") for n in range(1, 20)},
        "/inside": redirect(ELSEWHERE),
        "/huge": Answer(b"<p>never ends</p>" * 500, endless=True),
        "/slow": Answer(b"<p>late</p>", seconds=30.0),
        "/picture": Answer(b"\x89PNG", kind="image/png"),
        "/bomb": website.bomb(50_000_000),
        "/broken": Answer(
            b"<html><title>Broken</title></b><p>Broken lamps are <b>repaired <i>free</p></td>"
        ),
        "/latin": Answer(
            "<title>Caf\xe9</title><p>Our caf\xe9 ma\xf1ana serves coffee.</p>".encode("latin-1"),
            kind="text/html; charset=iso-8859-1",
        ),
        "/hidden": page(
            "Hidden",
            "Not for search: 0815.",
            "/from-hidden",
            head='<meta name="robots" content="noindex">',
        ),
        "/from-hidden": page("Found", "Behind a hidden page there is a garden.", "/"),
        "/copy": page("Copies", "Copies of keys are made while you wait.", "/"),
        "/copy?print=1": replace(
            page("Copies", "Copies of keys are made while you wait.", "/"), seconds=0.5
        ),
        "/print/about": replace(
            page(
                "About us",
                "Founded in 1980 by two sisters from Cebu.",
                head='<link rel="canonical" href="/about?utm_medium=print">',
            ),
            seconds=0.5,
        ),
        "/error": Answer(status=500),
    }
    site.pages |= {f"/p/{n}": product(n) for n in range(PRODUCTS)}
    site.pages |= {f"/advice/{n}": article(n) for n in range(1, ARTICLES + 1)}
    site.other = _trap


def _sitemap(site: website.Website) -> Answer:
    listed = "".join(f"<url><loc>{site.url(f'/p/{n}')}</loc></url>" for n in range(PRODUCTS))
    document = f"<urlset xmlns='http://www.sitemaps.org/schemas/sitemap/0.9'>{listed}</urlset>"
    return Answer(gzip.compress(document.encode()), kind="application/gzip")


def _trap(target: str) -> Answer:
    if target.startswith("/calendar/"):
        day = int(target.rpartition("/")[2])
        return page("Calendar", f"Nothing happens on day {day}.", f"/calendar/{day + 1}")
    if target.startswith("/loop/"):
        return page("Loop", "Round and round.", f"a/{len(target)}/")
    return Answer(b"<p>Not here</p>", 404, HTML)
