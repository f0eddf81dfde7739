"""Pages that say they are not there, though the server says that all is well."""

import re
from collections.abc import Sequence

from services.rag.read.section import Section

SOFT_404 = "It says that the page was not found."
MOST_TEXT = 600
"""Characters of such a page; one that says more is about something."""
_MISSING = re.compile(
    r"\b404\b|not found|(?:can'?t|cannot|can not|could not|couldn'?t) (?:be found|find)"
    r"|(?:does not|doesn'?t|no longer) exists?|no encontrad[ao]|introuvable|nicht gefunden"
    r"|non trovat[ao]|n[aã]o encontrad[ao]|hindi (?:mahanap|matagpuan|nahanap)|niet gevonden"
    r"|nenalezena|nie znaleziono|не найден|找不到|不存在|見つかりません",
    re.IGNORECASE,
)


def is_soft_404(title: str, sections: Sequence[Section]) -> bool:
    """Tell whether a page says, in its title or first heading, that it is not there."""
    if sum(len(one.text) + len(one.answer) for one in sections) > MOST_TEXT:
        return False
    first = sections[0] if sections else Section()
    named = f"{title}\n{first.heading or first.text[:80]}".replace("\u2019", "'")
    return bool(_MISSING.search(named))
