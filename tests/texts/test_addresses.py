"""Addresses that strangers name: a typed refusal or a URL of which every part can be read."""

from collections.abc import AsyncIterator
from contextlib import suppress

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.egress.resolve import Resolver
from libs.egress.safe_transport import open_client
from libs.egress.safe_url import UnsafeUrl, is_loopback, parse_target, read_url
from services.rag.crawl.fetch.robots import Rules, directives_of
from services.rag.crawl.fetch.urls import Scope, normalised, path_of, site_of
from services.rag.crawl.pages.kinds import content_type, suffix_of
from tests.fakes.website import Website, redirect, running_website

PARTS = (
    *("http://", "https://", "HTTP:", "ftp://", "//", "/", "?", "#", "@", ":", "::", ".", ".."),
    *("xn--", "xn--a", "xn--ls8h", "xn--99999999999", "a", "example", "la", "b" * 64, "a." * 130),
    *("[", "]", "[::1]", "[fe80::1%25eth0]", "[::ffff:1.2.3.4]", "[v1.a]", "1.2.3.4", "0x7f.1"),
    *(":80", ":0", ":99999", ":" + "9" * 5_000, ":-1", ":\u0663", "%", "%41", "%00", "%zz", "%ud8"),
    *("\\", "\t", "\n", "\r", "\0", " ", "\x7f", "\u00ad", "\u3002", "\u0130", "\u00df", "\u2024"),
    *("\U0001f4a9", "\ud800", "\udfff", "é", "漢", "_", "-", "*", "{", "user:pw@", ";jsessionid=1"),
)
addresses = st.lists(st.sampled_from(PARTS) | st.text(max_size=4), max_size=8).map("".join)
targets = st.one_of(addresses, addresses.map(lambda rest: f"http://{rest}"))


@settings(deadline=None)  # a busy machine is no failure
@given(targets)
def test_a_target_can_be_read_or_is_refused(text: str) -> None:
    """Whatever stands in it; the same for one that is relative to a page."""
    for base in (None, "http://a.example/b"):
        with suppress(UnsafeUrl):
            url = read_url(text, base=base, schemes=("http", "https"))
            assert url.scheme in {"http", "https"}
            assert url.raw_host.isascii()
            assert url.port is None or 0 < url.port < 65_536
            assert str(url)
            assert url.netloc
            assert url.raw_path
            httpx.Request("GET", url)
    with suppress(UnsafeUrl):
        parse_target(text, schemes=("http", "https"))


@settings(deadline=None)  # a busy machine is no failure
@given(targets)
def test_a_link_has_one_spelling_or_none(text: str) -> None:
    """What is made of it is the same made again, and belongs to a site."""
    found = normalised(text, "http://a.example/b")
    if found is not None:
        assert found.isascii()
        assert normalised(found) == found
        assert site_of(found)
        assert path_of(found).startswith("/")
        Scope(sites=frozenset({site_of(found)})).covers(found)
        suffix_of("text/plain", found)
        Rules(f"User-agent: *\nDisallow: {path_of(found)}\nSitemap: {found}", "Bot").allow(found)


@settings(deadline=None)  # a busy machine is no failure
@given(st.text(max_size=200))
def test_headers_of_strangers_are_read_or_left(text: str) -> None:
    """No header's value is an error of ours."""
    header = text.encode("latin-1", "ignore").decode("latin-1").replace("\n", "").replace("\r", "")
    for value in (header, f"text/html; charset={header}", f"text/html; charset*={header}"):
        content_type(value)
        directives_of([value], "Bot")


@pytest.fixture
async def site() -> AsyncIterator[Website]:
    """A site of redirects."""
    async with running_website() as site:
        yield site


async def test_a_redirect_is_an_answer_like_any_other(site: Website) -> None:
    """Webhooks and crawls get it as it is, whatever name it leads to; cookies are not looked at."""
    bad = ("http://xn--/", "http://xn--ls8h.la/", "http://[", "//xn--a", "http://a:99999999/")
    site.pages |= {f"/{at}": redirect(to) for at, to in enumerate(bad)}
    for page in site.pages.values():
        page.headers.update({"set-cookie": "a=b", "set-cookie2": "a;" * 10_000})
    resolver = Resolver()
    async with open_client(resolver, allowed=is_loopback, connect_timeout=5) as client:
        for at, to in enumerate(bad):
            response = await client.get(site.url(f"/{at}"))
            assert (response.status_code, response.headers["location"]) == (302, to)
        assert "cookie" not in site.asked[-1].headers
    resolver.close()
