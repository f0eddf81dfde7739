"""Pages of PDFs: what runs through them, what goes on from one to the next, what repeats only."""

from services.rag.parse.pdf_page import is_garbled, mended
from services.rag.parse.pdf_pages import joined, without_running_lines
from services.rag.parse.section import Section


def pages(*texts: str) -> list[Section]:
    """Pages with these texts, from page 1 on."""
    return [Section(text=text, page=number) for number, text in enumerate(texts, 1)]


def test_running_lines_are_told_once() -> None:
    """Headers, and footers with the number of the page, in whatever words."""
    bodies = [f"Rule {n * 7} holds.\nIt costs {n * 13} pesos." for n in range(1, 7)]
    found = without_running_lines(
        pages(*(f"Manual 2026\n{body}\nSol Inc, page {n} of 6" for n, body in enumerate(bodies, 1)))
    )
    assert [one.text for one in found][1:] == bodies[1:]
    assert found[0].text.startswith("Manual 2026\n")


def test_rows_that_are_alike_are_no_running_lines() -> None:
    """They differ in their figures, as every list does."""
    texts = [
        "\n".join(f"Item {page}.{row} costs {page * 11 + row * 3} pesos." for row in range(3))
        for page in range(1, 9)
    ]
    assert [one.text for one in without_running_lines(pages(*texts))] == texts


def test_a_sentence_goes_on_on_the_next_page() -> None:
    """Its end comes to where it began; what is a sentence by itself stays."""
    first = "The late check-out fee depends on the hour: until 2 PM it is"
    found = list(joined(pages(first, "500 pesos. The pool closes at nine.", "Bring a towel.")))
    assert [(one.page, one.text) for one in found] == [
        (1, f"{first} 500 pesos."),
        (2, "The pool closes at nine."),
        (3, "Bring a towel."),
    ]


def test_hyphens() -> None:
    """One at the end of a line joins a word, one in a code stays; nothing else is left of them."""
    assert mended("conva\x02llis") == "convallis"
    assert mended("PB\x0230K") == "PB-30K"
    assert mended("manufac\u2010\nturer") == "manufacturer"
    assert mended("A\u00adB\x01") == "AB"


def test_letters_that_are_none() -> None:
    """Numbers of glyphs read as letters are no words; labels of a chart are."""
    assert is_garbled("5HWXUQV\n6HQG\x03LW")
    assert is_garbled("7KH ZDUUDQWB ODVWV WZR BHDUV IURP WKH UHFHLSW")
    assert not is_garbled("Context Length (#Tokens)\n2K 11K 20K")
