"""Pages and sitemaps, and the process that reads them."""

import gzip
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.rag.crawl.fetch.fetch import gunzipped
from services.rag.crawl.fetch.skipped import Skipped
from services.rag.crawl.pages.page import about_page, decoded_page
from services.rag.crawl.pages.reader import UNREADABLE, PageLimits, Reader, open_reader
from services.rag.crawl.pages.sitemap import read_sitemap
from services.rag.read.section import Unreadable

LIMITS = PageLimits(
    seconds=20,
    memory=1024 * 1024 * 1024,
    pages=10,
    characters=10_000,
    links=5,
    entries=10,
    agent="AlonchatBot",
)
URL = "https://a.example/dir/page"


@pytest.fixture
async def reader() -> AsyncIterator[Reader]:
    """A reader."""
    async with open_reader(LIMITS) as reader:
        yield reader


@pytest.mark.parametrize(
    ("content", "declared", "expected"),
    [
        ("<p>Größe</p>".encode(), None, "Größe"),
        ("<p>Größe</p>".encode("latin-1"), "iso-8859-1", "Größe"),
        ("<p>10 €</p>".encode("cp1252"), "iso-8859-1", "10 €"),
        ('<meta charset="shift_jis"><p>灯台</p>'.encode("shift_jis"), None, "灯台"),
        ('<meta content="text/html; charset=koi8-r"><p>лампа</p>'.encode("koi8-r"), None, "лампа"),
        ("<p>Größe</p>".encode("utf-8-sig"), "iso-8859-1", "Größe"),
        ("<p>Größe</p>".encode("utf-16"), None, "Größe"),
        ("<p>Größe</p>".encode(), "no-such-charset", "Größe"),
        ("<p>Größe und Preis der Lampen</p>".encode("cp1252"), "hex", "und Preis der Lampen"),
        (b"<p>caf\xff</p>", "utf-8", "caf\ufffd"),
    ],
)
def test_encodings(content: bytes, declared: str | None, expected: str) -> None:
    """Mark, header, the page's own word, then a guess."""
    assert expected in decoded_page(content, declared)


def test_what_a_page_says_beside_its_text() -> None:
    """Title, links that may be followed, its own address, directives for us."""
    html = (
        '<head><base href="/base/"><title> A\n title </title>'
        '<link rel="canonical" href="/page?utm_source=x">'
        '<meta name="ROBOTS" content="noindex, max-snippet:5">'
        '<meta name="otherbot" content="nofollow"></head>'
        '<a href="b">b</a><a href="b#x">b</a><a rel="external nofollow" href="c">c</a>'
        '<a href="javascript:x()">x</a><a href="http://[">x</a><map><area href="//d.example"></map>'
    )
    about = about_page(html, URL, "AlonchatBot", 5)
    assert about.title == "A title"
    assert about.links == ("https://a.example/base/b", "https://d.example/")
    assert about.canonical == "https://a.example/page"
    assert "noindex" in about.robots
    assert "nofollow" not in about.robots


@pytest.mark.parametrize("name", ["robots", "AlonchatBot"])
def test_a_page_whose_links_are_not_to_be_followed(name: str) -> None:
    """For everybody, or for us."""
    html = f'<meta name="{name}" content="none"><a href="b">b</a>'
    about = about_page(html, URL, "AlonchatBot", 5)
    assert not about.links
    assert about.robots == {"none", "noindex", "nofollow"}


@given(st.text(max_size=400))
def test_any_html_can_be_read(html: str) -> None:
    """What can't be is Unreadable, and nothing else is raised."""
    try:
        about = about_page(html, URL, "AlonchatBot", 5)
    except Unreadable:
        return
    assert len(about.links) <= 5


def test_sitemaps() -> None:
    """Pages and further sitemaps, whatever the namespace; text files too."""
    urlset = b"<?xml version='1.0'?><urlset xmlns='x'><url><loc> /a </loc></url><url><loc/></url>"
    assert read_sitemap(urlset, URL, 10) == (["https://a.example/a"], [])
    index = b"<sitemapindex><sitemap><loc>https://a.example/s.xml</loc></sitemap></sitemapindex>"
    assert read_sitemap(index, URL, 10) == ([], ["https://a.example/s.xml"])
    assert read_sitemap(b"https://a.example/1\nhttps://a.example/2", URL, 1) == (
        ["https://a.example/1"],
        [],
    )


def test_a_sitemap_can_not_read_files(tmp_path: Path) -> None:
    """Entities are not expanded, neither from files nor into gigabytes."""
    secret = tmp_path / "secret"
    secret.write_text("https://a.example/leaked")
    doctype = f'<!DOCTYPE x [<!ENTITY e SYSTEM "{secret.as_uri()}">]>'
    content = f"{doctype}<urlset><url><loc>https://a.example/&e;</loc></url></urlset>"
    pages, _ = read_sitemap(content.encode(), URL, 10)
    assert not any("leaked" in url for url in pages)


@given(st.binary(max_size=300), st.sampled_from([b"", b"<urlset>", b"<?xml version='1.0'?><a>"]))
def test_any_sitemap_can_be_read(content: bytes, start: bytes) -> None:
    """What can't be is Unreadable, and nothing else is raised."""
    try:
        pages, sitemaps = read_sitemap(start + content, URL, 10)
    except Unreadable:
        return
    assert all(url.startswith("http") for url in pages + sitemaps)


def test_gzip_files_are_bounded() -> None:
    """A file that unpacks to more than is allowed is refused before it takes the memory."""
    assert gunzipped(gzip.compress(b"x" * 100), 100) == b"x" * 100
    assert gunzipped(b"plain", 1) == b"plain"
    for content in (gzip.compress(b"x" * 50_000_000), b"\x1f\x8bdamaged"):
        with pytest.raises(Skipped):
            gunzipped(content, 1_000)


async def test_one_process_reads_many_pages(reader: Reader) -> None:
    """Each gets its own answer, the bad ones too."""
    texts = [f"<title>{n}</title><p>This is page {n} of the shop.</p>".encode() for n in range(20)]
    for number, content in enumerate(texts):
        found = await reader.read(content, url=URL, suffix=".html")
        assert (found.title, found.error) == (str(number), None)
        assert f"page {number}" in found.sections[0].text
        bad = await reader.read(b"no PDF", url=URL, suffix=".pdf")
        assert bad.error is not None


async def test_equal_texts_have_equal_digests(reader: Reader) -> None:
    """Whatever their title and links."""
    pages = [b"<title>A</title><p>Text.</p>", b"<title>B</title><p>Text.</p>", b"<p>Other.</p>"]
    found = [await reader.read(one, url=URL, suffix=".html") for one in pages]
    assert found[0].digest == found[1].digest != found[2].digest


async def test_a_page_with_too_much_text(reader: Reader) -> None:
    """It is refused, its links are there."""
    content = b'<a href="/b">b</a><p>' + b"word " * 5_000 + b"</p>"
    found = await reader.read(content, url=URL, suffix=".html")
    assert (found.error, found.links) == (
        "It has more than 10000 characters of text.",
        ("https://a.example/b",),
    )


async def test_a_page_that_kills_its_reader(reader: Reader) -> None:
    """Its own page is lost, the next one is read by a new process."""
    await reader.read(b"<p>x</p>", url=URL, suffix=".html")
    assert reader.pid is not None
    os.kill(reader.pid, signal.SIGKILL)
    assert (await reader.read(b"<p>x</p>", url=URL, suffix=".html")).error == UNREADABLE
    assert (await reader.read(b"<p>x</p>", url=URL, suffix=".html")).error is None


async def test_a_page_that_takes_too_long() -> None:
    """It is given up, and the next one is read."""
    async with open_reader(msgspec.structs.replace(LIMITS, seconds=3.0)) as reader:
        await reader.read(b"<p>x</p>", url=URL, suffix=".html")
        assert reader.pid is not None
        os.kill(reader.pid, signal.SIGSTOP)
        late = await reader.read(b"<p>x</p>", url=URL, suffix=".html")
        assert late.error == "Reading it takes longer than 3 s."
        assert (await reader.read(b"<p>x</p>", url=URL, suffix=".html")).error is None


async def test_deep_nesting_hurts_nobody(reader: Reader) -> None:
    """Whatever comes of it, the next page is read."""
    await reader.read(b"<div>" * 100_000 + b"deep", url=URL, suffix=".html")
    assert (await reader.read(b"<p>x</p>", url=URL, suffix=".html")).error is None
