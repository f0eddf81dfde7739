"""Pages whose text was drawn sideways or upside down: they are turned before they are read.

pdfium ends a line where the text goes down the page. Where it goes sideways no line ends, and the
last figure of a row and the first of the next become one.
"""

import math
from collections import Counter
from typing import Any

import pypdfium2 as pdfium  # type: ignore[import-untyped]  # it has no stubs
import pypdfium2.raw as pdfium_c  # type: ignore[import-untyped]

LOOKED_AT = 200
"""Letters of a page that are asked for their direction."""
_TURNS = {90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}
"""By the degrees of the text: the matrix that makes them 0."""


def is_turned(textpage: Any) -> bool:
    """Tell whether most of a page's text does not go from left to right."""
    return _degrees(textpage) in _TURNS


def upright(document: pdfium.PdfDocument, index: int) -> pdfium.PdfPage:
    """Turn a page until most of its text goes from left to right, and return it."""
    page = document[index]
    turn = _TURNS[_degrees(page.get_textpage())]
    far = 2.0 * max(page.get_size())
    everything = (-far, -far, far, far)
    clip = pdfium_c.FS_RECTF(-far, far, far, -far)
    pdfium_c.FPDFPage_TransFormWithClip(page, pdfium_c.FS_MATRIX(*turn, 0, 0), clip)
    page.set_mediabox(*everything)
    page.set_cropbox(*everything)
    page.close()
    return document[index]  # only a page that is loaded anew has its text there


def _degrees(textpage: Any) -> int:
    """Return the direction of most of the text: 0, 90, 180 or 270."""
    count = textpage.count_chars()
    step = max(1, count // LOOKED_AT)
    turns = Counter(
        round(pdfium_c.FPDFText_GetCharAngle(textpage, at) / (math.pi / 2)) % 4
        for at in range(0, count, step)
        if not chr(pdfium_c.FPDFText_GetUnicode(textpage, at)).isspace()
    )
    return turns.most_common(1)[0][0] * 90 if turns else 0
