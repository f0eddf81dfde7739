"""Documents of every format: their text in sections, or a reason that a person understands."""

import codecs
import io
import json
import zipfile
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from libs.contracts.sources import Note
from services.rag.read.document import read as read_document
from services.rag.read.process import ReadLimits, read_isolated
from services.rag.read.section import Section, Unreadable, cleaned
from tests.rag import documents

MB = 1024 * 1024
LIMITS = ReadLimits(seconds=60, memory=1024 * MB, pages=50, characters=100_000)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to be written by the test."""
    return tmp_path / "document"


def sections(file: Path, suffix: str, content: bytes) -> list[Section]:
    """Write and read a document in this process."""
    return [one for one in parts(file, suffix, content) if isinstance(one, Section)]


def notes(file: Path, suffix: str, content: bytes) -> list[Note]:
    """Write and read a document; return what it says was left out."""
    return [one for one in parts(file, suffix, content) if isinstance(one, Note)]


def parts(file: Path, suffix: str, content: bytes) -> list[Section | Note]:
    """Write and read a document in this process."""
    file.write_bytes(content)
    return list(read_document(file, suffix, most_pages=LIMITS.pages, most_unpacked=LIMITS.memory))


async def refusal(file: Path, suffix: str, content: bytes, limits: ReadLimits = LIMITS) -> str:
    """Write a document that can't be read; return why, as its owner is told."""
    file.write_bytes(content)  # noqa: ASYNC240 - nothing else runs in this loop
    with pytest.raises(Unreadable) as refused:
        await read_isolated(file, suffix, limits)
    return str(refused.value)


def test_pdf_pages_have_their_number_and_heading(file: Path) -> None:
    """A page belongs to the last heading of the outline before it."""
    pages = [
        ("Delivery", "We deliver daily."),
        ("", "Islands take a week."),
        ("Returns", "30 days."),
    ]
    found = sections(file, ".pdf", documents.pdf(pages))
    assert [(one.page, one.heading, one.text) for one in found] == [
        (1, "Delivery", "We deliver daily."),
        (2, "Delivery", "Islands take a week."),
        (3, "Returns", "30 days."),
    ]


def test_word_headings_lists_and_paragraphs(file: Path) -> None:
    """Each heading begins a section that knows the headings above it."""
    blocks = [
        ("h1", "Shop"),
        ("p", "We sell bread."),
        ("h2", "Hours"),
        ("li", "Monday"),
        ("li", "Friday"),
    ]
    found = sections(file, ".docx", documents.word(*blocks))
    assert [one.heading for one in found] == ["Shop", "Shop > Hours"]
    assert found[0].text == "We sell bread."
    assert "Monday" in found[1].text
    assert "Friday" in found[1].text


def test_a_spreadsheet_row_names_its_columns(file: Path) -> None:
    """Each row stands for itself, below the name of its sheet."""
    rows = [("Product", "Price"), ("Bread", 45), (None, None), ("Cake", 300)]
    found = sections(file, ".xlsx", documents.spreadsheet("Prices", rows))
    assert [(one.heading, one.text) for one in found] == [
        ("Prices", "Product: Bread\nPrice: 45"),
        ("Prices", "Product: Cake\nPrice: 300"),
    ]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_questions_becomes_questions(file: Path, delimiter: str) -> None:
    """Columns named question and answer, in any order and case, with others beside them."""
    rows = [("Answer", "Topic", "QUESTION"), ("At nine.", "hours", "When do you open?")]
    text = "\n".join(delimiter.join(row) for row in rows)
    (found,) = sections(file, ".csv", text.encode())
    assert (found.question, found.answer) == ("When do you open?", "At nine.\nTopic: hours")


def test_json_questions_and_records(file: Path) -> None:
    """A list of objects; those with a question and an answer are questions."""
    content = [{"question": "Open?", "answer": "Yes."}, {"name": "Bread", "tags": ["a", {"b": 1}]}]
    first, second = sections(file, ".json", json.dumps(content).encode())
    assert (first.question, first.answer) == ("Open?", "Yes.")
    assert second.text == "name: Bread\ntags: a\ntags.b: 1"


def test_markdown_headings(file: Path) -> None:
    """A heading inside code is none; text before the first heading has none."""
    text = "Hello.\n\n# A\n\none\n\n```\n# not a heading\n```\n\n## B\n\ntwo\n\n# C\n\nthree\n"
    found = sections(file, ".md", text.encode())
    assert [one.heading for one in found] == ["", "A", "A > B", "C"]
    assert "# not a heading" in found[1].text


def test_a_page_without_its_menu(file: Path) -> None:
    """The main content of an HTML page, scripts never."""
    html = (
        "<html><head><title>Shop</title><script>var secret = 1</script></head><body>"
        "<nav><a href='/a'>Home</a><a href='/b'>Cart</a></nav><main><h1>Delivery</h1>"
        "<p>We deliver to every island within seven days, whatever the weather is like.</p>"
        "<table><tr><th>Zone</th><th>Fee</th></tr><tr><td>Cebu</td><td>90</td></tr></table>"
        "</main></body></html>"
    )
    text = "\n".join(one.text for one in sections(file, ".html", html.encode()))
    assert "every island" in text
    assert "Cebu" in text
    assert "secret" not in text


def test_text_in_another_encoding(file: Path) -> None:
    """Windows' encoding is found out."""
    text = "La piñata está en el jardín, señor. Mañana será otro día más para el niño pequeño."
    (found,) = sections(file, ".txt", text.encode("cp1252"))
    assert found.text == text


async def test_an_isolated_process_reads_the_same(file: Path) -> None:
    """What comes back over the process's output is what was read."""
    content = documents.pdf([("One", "Text of a page.")])
    expected = sections(file, ".pdf", content)
    assert list((await read_isolated(file, ".pdf", LIMITS)).sections) == expected


@pytest.mark.parametrize(
    ("suffix", "content", "reason"),
    [
        (".pdf", b"", "empty"),
        (".pdf", b"PK\x03\x04 not a pdf", "not a PDF"),
        (".pdf", b"%PDF-1.7\nbroken", "damaged"),
        (".pdf", documents.pdf([("", "secret")], password="hidden"), "encrypted"),
        (".pdf", documents.pdf([("", " ")]), "only pictures"),
        (".pdf", documents.pdf([("", "x")] * 51), "51 pages"),
        (".docx", b"%PDF-1.7", "not a Word document"),
        (".docx", documents.spreadsheet("S", [("a",)]), "not a Word document"),
        (".xlsx", documents.word(("p", "text")), "not a spreadsheet"),
        (".docx", documents.zip_bomb("word/document.xml", 1100), "larger than"),
        (".json", b"{", "not JSON"),
        (".json", b"[" * 100_000, "not JSON"),
        (".txt", b"\x00\x01\x02\x00" * 100, "not text"),
        (".txt", b"x" * 100_001, "100000 characters"),
    ],
)
async def test_what_can_not_be_read_says_why(
    file: Path, suffix: str, content: bytes, reason: str
) -> None:
    """Empty, wrong, encrypted, damaged, too large: each a reason of its own."""
    assert reason in await refusal(file, suffix, content)


async def test_reading_that_takes_too_long_is_ended(file: Path) -> None:
    """The process is killed when its time is up."""
    limits = ReadLimits(seconds=0.01, memory=1024 * MB, pages=50, characters=100)
    assert "longer than 0.01 s" in await refusal(file, ".txt", b"text", limits)


async def test_reading_that_takes_too_much_memory_is_ended(file: Path) -> None:
    """The process fails by itself; nobody else runs out of memory."""
    limits = ReadLimits(seconds=60, memory=160 * MB, pages=50, characters=100_000_000)
    content = b'["' + b"x" * 60 * MB + b'"]'
    assert "bytes of memory" in await refusal(file, ".json", content, limits)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200, deadline=None
)
@given(
    content=st.binary(max_size=400),
    suffix=st.sampled_from([".csv", ".json", ".md", ".txt", ".html", ".pdf", ".docx", ".xlsx"]),
)
def test_any_bytes_are_read_or_refused(file: Path, content: bytes, suffix: str) -> None:
    """Whatever is in a file, nothing but Unreadable is raised."""
    with suppress(Unreadable):
        assert all(isinstance(one, Section) for one in sections(file, suffix, content))


NEXT = "\ufffd"
"""What stands for a character that can't be kept."""


@pytest.mark.parametrize(
    ("suffix", "content", "found"),
    [
        (".json", b'["What is \\ud83d?"]', [f"What is {NEXT}?"]),
        (".json", b'[{"q": "\\udc00 a", "a": "b \\u0000"}]', [f"{NEXT} a", f"b {NEXT}"]),
        (".json", b'[{"n": ' + b"9" * 5_000 + b"}]", ["n: " + "9" * 5_000]),
        (".json", b'[{"n": NaN, "m": -Infinity}]', ["n: NaN\nm: -Infinity"]),
        (".json", b'[{"n": "one", "n": "two", "n": "three"}]', ["n: one\nn: two\nn: three"]),
        (".json", "\ufeff[1]".encode(), ["1"]),
        (".txt", b"one \x00 two", [f"one {NEXT} two"]),
        (".md", b"# A\x00\n\nsome text that is long enough", ["some text that is long enough"]),
        (".csv", b"name,price\na \x00 lamp,100\n", [f"name: a {NEXT} lamp\nprice: 100"]),
        (".html", b"<p>Lamps \x00 with a dot.</p>", [f"Lamps {NEXT} with a dot."]),
        (".txt", "één, twee, drie €".encode() + b" \xff.", [f"één, twee, drie € {NEXT}."]),
        (".txt", "très cher à l'été".encode("cp1252"), ["très cher à l'été"]),
        (".txt", "Über alles".encode("utf-16"), ["Über alles"]),
        (".txt", codecs.BOM_UTF16_BE + "Über alles".encode("utf-16-be"), ["Über alles"]),
        (".txt", "Über alles".encode("utf-32"), ["Über alles"]),
        (".txt", "Without a mark".encode("utf-16-le"), ["Without a mark"]),
        (".txt", "Without a mark".encode("utf-16-be"), ["Without a mark"]),
        (".txt", codecs.BOM_UTF16_LE + b"a\x00\x00\xd8b\x00", [f"a{NEXT}b"]),
    ],
)  # fmt: skip
async def test_a_bad_character_spoils_nothing(
    file: Path, suffix: str, content: bytes, found: list[str]
) -> None:
    """What stands beside it is read, in the process that reads documents too."""
    read_here = map(cleaned, sections(file, suffix, content))
    said = [part for one in read_here for part in (one.question, one.answer, one.text) if part]
    assert said == found
    assert not any(one in text for text in said for one in "\0\ud83d\udc00")


def office(document: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """Return an Office file with something else in one of its members."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(document)) as before, zipfile.ZipFile(changed, "w") as after:
        for name in before.namelist():
            text = before.read(name)
            after.writestr(name, text.replace(old, new) if name == member else text)
    return changed.getvalue()


@pytest.mark.parametrize("bad", [b"\x00", b"\x0b", b"&#0;", b"&#xD800;", b"&#55296;"])
def test_xml_with_what_is_no_character(file: Path, bad: bytes) -> None:
    """A Word document with it is read."""
    word = documents.word(("p", "We sell BREAD and cake."))
    broken = office(word, "word/document.xml", b"BREAD", b"bread" + bad)
    assert [one.text for one in sections(file, ".docx", broken)] == [
        f"We sell bread{NEXT} and cake."
    ]


async def test_a_long_heading_is_not_in_every_section(file: Path) -> None:
    """It would be there a thousand times, in memory and in the index."""
    content = b"# " + b"a" * 50_000 + b"".join(b"\n## b\n\ntext" for _ in range(1_000))
    file.write_bytes(content)  # noqa: ASYNC240 - nothing else runs in this loop
    read = await read_isolated(file, ".md", replace(LIMITS, characters=1_000_000))
    found = read.sections
    assert len(found) == 1_000
    assert max(len(one.heading) for one in found) <= 300
