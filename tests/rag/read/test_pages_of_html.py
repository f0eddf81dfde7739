# ruff: noqa: E501, ISC004 -- a case reads best on a line of its own
"""Pages as they are on the web: what a visitor can read of them, and nothing else."""

from pathlib import Path

import pytest

from services.rag.read.html.document import CONSENT, ROBOT, SCRIPT, read_html
from services.rag.read.markdown import read_markdown
from services.rag.read.section import Section, Unreadable

LONG = "<p>We have been baking bread in a wood oven for three generations in this town.</p>"


def told(html: str, url: str = "") -> str:
    """Return all that is read of a page."""
    return "\n".join(map(_whole, read_html(html, url)))


def _whole(one: Section) -> str:
    return f"[{one.heading}] {one.question} {one.answer}{one.text}"


@pytest.mark.parametrize(
    ("html", "says"),
    [
        (f"{LONG}<table><tr><th>Room<th>Rate<tr><td>Twin<td>1,900</table><p>With breakfast.</p>", "With breakfast."),
        ("<h1>Rates</h1><table><tr><th>Room<th>Rate<tr><td>Twin<td>1,900</table>", "| Twin | 1,900 |"),
        ("<table><tr><th>Day<th>Class<tr><td rowspan=2>Mon<td>Salsa<tr><td>Swing</table>", "| Mon | Swing |"),
        ("<table><caption>Fees of May</caption><tr><th>A<th>B<tr><td>x<td>5</table>", "Fees of May"),
        ("<p>The hall has 50 m<sup>2</sup>, H<sub>2</sub>O only.</p>", "50 m², H₂O only."),
        ("<p>Call <a href='tel:+6332555'>our desk</a> today.</p>", "our desk (+6332555)"),
        ("<p>See <a href='/book?x=1'>booking</a>.</p>", "booking (https://a.example/book?x=1)"),
        ("<p>Mail <a href='mailto:a@b.example'>a@b.example</a></p>", "Mail a@b.example"),
        ("<h2>Do you ship?</h2><p>Only to Cebu.</p>", "[Do you ship?]  Only to Cebu."),
        ("<details><summary>Is it open?</summary>Yes, daily.</details>", "Is it open? Yes, daily."),
        ("<h3><button aria-expanded=false aria-controls=p>Pets?</button></h3><div id=p hidden>Small dogs.</div>", "Pets? Small dogs."),
        ("<dl><dt>Can I pay by card?<dd>Yes.</dl>", "Can I pay by card? Yes."),
        ("<dl><dt>Weight<dd>5 kg</dl>", "Weight: 5 kg"),
        ("<h1>Closed on Sundays</h1><h2>Parking is free</h2>", "Parking is free"),
        ("<div><div class=c><b>Tea</b><i>50</i></div><div class=c><b>Cake</b><i>90</i></div><div class=c><b>Pie</b><i>70</i></div></div>", "- Cake, 90"),
        ("<ol start=3><li>Sign</li><li>Pay</li></ol>", "3. Sign\n4. Pay"),
        (f"<main>{LONG}</main><footer><p>Phone 042-555-0177</p></footer>", "[Footer]  Phone 042-555-0177"),
        ("<p>War&shy;ranty&nbsp;of ma\u200bchines</p>", "Warranty of machines"),
        (
            '<script type="application/ld+json">{"@type": "Bakery", "name": "Ising", "telephone": "042"}'
            f"</script>{LONG}",
            "three generations",
        ),
        (
            '<script type="application/ld+json">{"@graph": [{"@type": "Product", "name": "Tea", "offers": '
            '{"price": 50}}]}</script><div id=app></div>',
            "name: Tea\nprice: 50",
        ),
    ],
)  # fmt: skip
def test_what_can_be_read_is(html: str, says: str) -> None:
    """Tables whole, folded answers with their questions, links with where they lead."""
    assert says in told(html, "https://a.example/")


@pytest.mark.parametrize(
    "html",
    [
        f"{LONG}<p style='color:red; DISPLAY : none'>secret</p>",
        f"{LONG}<p hidden>secret</p><div style='visibility:hidden'>secret</div>",
        f"{LONG}<!-- secret --><template>secret</template><noscript>secret</noscript>",
        f"<nav><a href=/a>secret</a><a href=/b>Cart</a><a href=/c>Home</a></nav>{LONG}",
        f"<ul><li><a href=/a>secret</a><li><a href=/b>Cart</a><li><a href=/c>Home</a></ul>{LONG}",
        f"<div class='cookie-banner'>secret: we use cookies</div>{LONG}",
        f"<div role=dialog>secret</div><svg><text>secret</text></svg>{LONG}",
        f"{LONG}<footer>&copy; secret</footer>",
    ],
)
def test_what_is_not_for_readers_is_not_told(html: str) -> None:
    """Hidden parts, code, menus, banners, the owner of the rights."""
    assert "secret" not in told(html)
    assert "three generations" in told(html)


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div id=root></div><noscript>Please enable JavaScript.</noscript><script src=a></script>", SCRIPT),
        ("<p>Loading...</p><script>go()</script>", SCRIPT),
        ("<div id=app></div><script>go()</script>", SCRIPT),
        ("<h1>Your privacy</h1><p>We and our partners use cookies with your consent.</p>", CONSENT),
        ("<h1>One moment</h1><p>Checking your browser before you go on.</p>", ROBOT),
    ],
)  # fmt: skip
def test_a_page_that_shows_nothing_says_why(html: str, reason: str) -> None:
    """It is refused with the reason, never taken for a text."""
    with pytest.raises(Unreadable) as refused:
        told(f"<html><body>{html}</body></html>")
    assert str(refused.value) == reason


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("---\nauthor: Ana\n---\n# Hours\n\nNine to five.", "author: Ana"),
        ("Book [here](https://a.example/b) now.", "Book here (https://a.example/b) now."),
        ("[it][1]\n\n[1]: https://a.example/z", "it (https://a.example/z)"),
        ("Part AB\\_12\\_C costs **30** pesos", "Part AB_12_C costs 30 pesos"),
        ("| A | B |\n|---|---|\n| x | 5 |", "| x | 5 |"),
        ("```\n# no heading\n```", "# no heading"),
        ("# Only a heading", "Only a heading"),
        ("<details><summary>Ship?</summary>Yes.</details>", "Ship? Yes."),
        ("- [x] done\n- two", "- two"),
    ],
)
def test_markdown(text: str, says: str) -> None:
    """Fields in front, links, escapes, tables, code, and HTML in between."""
    assert says in "\n".join(map(_whole, read_markdown(text)))


def test_a_comment_in_markdown_is_not_told() -> None:
    """It is for whoever writes."""
    assert "margin" not in "\n".join(map(_whole, read_markdown("Hi.\n\n<!-- margin -->\n\nBye.")))


def test_deep_and_large_pages_end(tmp_path: Path) -> None:
    """Thousands of elements within each other, and ten megabytes of rows."""
    assert tmp_path
    assert "deep" in told("<div>" * 1_500 + "deep" + "</div>" * 1_500)
    rows = "<tr><td>Item<td>5" * 60_000
    assert told(f"<table>{rows}</table>").count("Item") == 60_000
