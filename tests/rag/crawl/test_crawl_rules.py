"""The rules of a crawl: addresses, scope, order, robots.txt, kinds of content."""

from urllib.parse import urljoin

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from services.rag.crawl.fetch.robots import Rules, directives_of, rules_of
from services.rag.crawl.fetch.urls import Scope, normalised, path_of, site_of
from services.rag.crawl.frontier import CrawlBounds, Frontier
from services.rag.crawl.pages.kinds import content_type, suffix_of

BOUNDS = CrawlBounds(urls=100, depth=5, variants=3)
SITE = "https://a.example"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("HTTPS://Shop.Example:443/A", "https://shop.example/A"),
        ("http://shop.example:80", "http://shop.example/"),
        ("http://shop.example:8080/", "http://shop.example:8080/"),
        ("https://shop.example/a/./b/../c", "https://shop.example/a/c"),
        ("https://shop.example/a#part", "https://shop.example/a"),
        ("https://shop.example/?", "https://shop.example/"),
        ("https://shop.example/?utm_source=x&fbclid=1&gclid=2", "https://shop.example/"),
        ("https://shop.example/?b=2&utm_medium=y&a=1", "https://shop.example/?b=2&a=1"),
        ("https://shop.example/?id=1&id=2&empty=", "https://shop.example/?id=1&id=2&empty="),
        (
            "https://shop.example/?ref=docs&source=x&cid=7",
            "https://shop.example/?ref=docs&source=x&cid=7",
        ),
        ("https://shop.example/a;jsessionid=1A2B?x=1", "https://shop.example/a?x=1"),
        ("https://münchen.example/straße", "https://xn--mnchen-3ya.example/stra%C3%9Fe"),
        (" https://shop.example/\n", "https://shop.example/"),
        ("https://[::1]:443/", "https://[::1]/"),
    ],
)
def test_one_spelling(url: str, expected: str) -> None:
    """What leads to the same page is the same address, and nothing else is."""
    assert normalised(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        *("", "shop.example", "/path", "mailto:a@b.example", "javascript:alert(1)", "data:,x"),
        *(
            "ftp://a.example/",
            "file:///etc/passwd",
            "https://",
            "https:///x",
            "https://u:p@a.example/",
        ),
        *("https://a.example%00.b/", "https://[bad/", "https://a.example/" + "x" * 2_000),
    ],
)
def test_what_is_no_address_of_a_page(url: str) -> None:
    """None says so; nothing is raised."""
    assert normalised(url) is None


@pytest.mark.parametrize("link", ["b", "./b", "?x=1", "//c.example/d", "../../e", "#f", "", "/g"])
def test_links_are_relative_to_their_page(link: str) -> None:
    """As browsers join them."""
    base = "https://a.example/dir/page?q=1"
    assert normalised(link, base) == normalised(urljoin(base, link))


@given(st.text(), st.sampled_from([None, "https://a.example/x/y?z=1"]))
@example("http:/\\a", None)
@example("//\u2100.example", "https://a.example/")
@example("https://a.example/%zz?&&=&%", None)
@example("https://a.example/;jsessionid=;jsessionid=1", None)
def test_any_text_can_stand_in_a_link(link: str, base: str | None) -> None:
    """Normalising never raises, and a normalised address stays as it is."""
    found = normalised(link, base)
    if found is not None:
        assert normalised(found) == found
        assert found.startswith(("http://", "https://"))
        assert "#" not in found
        assert site_of(found)
        assert path_of(found).startswith("/")


@given(
    st.lists(st.sampled_from(["utm_source=a", "gclid=b", "_ga=1", "a=1", "b=%20", "c"])),
    st.lists(st.sampled_from(["x", "y", "..", ".", "z%2F"])),
)
def test_tracking_changes_nothing(parameters: list[str], path: list[str]) -> None:
    """With and without tracking parameters an address is the same."""
    url = f"{SITE}/{'/'.join(path)}?"
    kept = [one for one in parameters if (one[0] in "abc" and "=" in one) or one == "c"]
    assert normalised(url + "&".join(parameters)) == normalised(url + "&".join(kept))


@pytest.mark.parametrize(
    ("path", "covered"),
    [
        ("/docs", True),
        ("/docs/a", True),
        ("/docs/a.pdf", True),
        ("/d%6Fcs/a", True),
        ("/docs/old/a", False),
        ("/other", False),
        ("/docs/logo.png", False),
        ("/docs/a.zip", False),
        ("/docs/a/b/a/b/a/b/a/b", False),
    ],
)
def test_scope(path: str, covered: bool) -> None:
    """Hosts, beginnings of paths, what can't be a page, loops."""
    scope = Scope(sites=frozenset({"a.example"}), include=("/docs",), exclude=("/docs/old",))
    assert scope.covers(SITE + path) is covered
    for other in ("https://b.example", "https://a.example:8443", "https://www.a.example"):
        assert not scope.covers(other + path)


def visited(frontier: Frontier) -> list[str]:
    """Take everything that waits."""
    found = []
    while known := frontier.next():
        found.append(known.url.removeprefix(SITE))
    return found


@pytest.fixture
def frontier() -> Frontier:
    """The frontier of a site."""
    return Frontier(Scope(sites=frozenset({"a.example"})), BOUNDS)


def test_near_pages_come_first_and_once(frontier: Frontier) -> None:
    """In the order in which they were found."""
    frontier.add([f"{SITE}/a", f"{SITE}/b", f"{SITE}/a", "https://b.example/"], 1)
    assert frontier.visit(f"{SITE}/b")
    frontier.add([f"{SITE}/c", f"{SITE}/b"], 2)
    assert (frontier.known, frontier.waiting) == (3, 2)
    assert visited(frontier) == ["/a", "/c"]
    assert not frontier.visit(f"{SITE}/c")


def test_the_bounds_of_a_frontier(frontier: Frontier) -> None:
    """Depth, variants of one path, and all addresses together."""
    frontier.add([f"{SITE}/deep"], 6)
    frontier.add([f"{SITE}/list?page={n}" for n in range(10)], 1)
    assert visited(frontier) == ["/list?page=0", "/list?page=1", "/list?page=2"]
    frontier.add([f"{SITE}/{n}" for n in range(1_000)], 1)
    assert frontier.known == BOUNDS.urls


@given(st.lists(st.tuples(st.sampled_from(["a", "b", "c?d", "c?e"]), st.integers(0, 7))))
def test_no_page_twice(found: list[tuple[str, int]]) -> None:
    """Whatever is found, and how often."""
    frontier = Frontier(Scope(sites=frozenset({"a.example"})), BOUNDS)
    seen = []
    for path, depth in found:
        frontier.add([f"{SITE}/{path}"], depth)
        seen += visited(frontier)
    assert len(seen) == len(set(seen))
    assert frontier.waiting == 0


def test_robots() -> None:
    """The group that names us wins, the longest rule wins, delays and sitemaps are read."""
    text = (
        "User-agent: *\nDisallow: /\n\nUser-agent: AlonchatBot\nDisallow: /a\nAllow: /a/b\n"
        "Crawl-delay: 3\nSitemap: /map.xml\n"
    )
    rules = Rules(text, "AlonchatBot")
    assert [rules.allow(f"{SITE}{path}") for path in ("/", "/a", "/a/b", "/ab")] == [
        *(True, False, True, False)
    ]
    assert (rules.delay, rules.sitemaps) == (3.0, ("/map.xml",))


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_site_without_robots_allows_everything(status: int) -> None:
    """Client errors, as RFC 9309 has it."""
    rules = rules_of(status, b"User-agent: *\nDisallow: /", "AlonchatBot")
    assert rules is not None
    assert rules.allow(SITE + "/a")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_site_that_can_not_say_forbids_everything(status: int) -> None:
    """Server errors, as RFC 9309 has it."""
    assert rules_of(status, b"", "AlonchatBot") is None


@given(st.binary(max_size=300))
@example(b"Crawl-delay: x\nUser-agent: *\nRequest-rate: 0/0\nCrawl-delay: nan\nDisallow: /%")
def test_any_robots_can_be_read(body: bytes) -> None:
    """A broken file is no error."""
    rules = rules_of(200, body, "AlonchatBot")
    assert rules is not None
    assert rules.delay >= 0
    assert rules.allow(SITE + "/") in {True, False}
    assert isinstance(rules.sitemaps, tuple)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["noindex"], {"noindex"}),
        (["noindex, nofollow"], {"noindex", "nofollow"}),
        (["NONE"], {"noindex", "nofollow", "none"}),
        (["alonchatbot: noindex"], {"noindex"}),
        (["googlebot: noindex"], set()),
        (["unavailable_after: 25 Jun 2030"], {"unavailable_after: 25 jun 2030"}),
        ([], set()),
    ],
)
def test_x_robots_tag(values: list[str], found: set[str]) -> None:
    """For everybody or for us."""
    assert directives_of(values, "AlonchatBot") == found


@pytest.mark.parametrize(
    ("header", "path", "suffix"),
    [
        ("text/html; charset=UTF-8", "/a", ".html"),
        ("TEXT/HTML", "/a.pdf", ".html"),
        ("application/xhtml+xml", "/", ".html"),
        ("text/plain", "/a", ".txt"),
        ("text/plain", "/a.md", ".md"),
        ("application/octet-stream", "/a.pdf", ".pdf"),
        ("", "/a.docx", ".docx"),
        ("", "/a", None),
        ("nonsense", "/a", None),
        ("image/png", "/a.html", None),
        ("application/xml", "/a", None),
    ],
)
def test_kinds(header: str, path: str, suffix: str | None) -> None:
    """The header decides, and the name where the header says nothing."""
    assert suffix_of(content_type(header)[0], SITE + path) == suffix


@given(st.text(max_size=60))
def test_any_content_type_can_be_read(header: str) -> None:
    """Servers say anything."""
    kind, charset = content_type(header)
    assert isinstance(kind, str)
    assert charset is None or isinstance(charset, str)
