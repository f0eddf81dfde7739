"""Takes the greeting off a question: it asks nothing, and addresses may share its words."""

import re

_HELLO = (
    r"(?:hello|hi+|hey|heya|hoy|yo|greetings|good\s+(?:day|morning|noon|afternoon|evening)"
    r"|g(?:ood)?\s?(?:am|pm|eve)|kumusta|kamusta|musta|mabuhay"
    r"|magandang\s+(?:araw|umaga|tanghali|hapon|gabi))"
)
_WHOM = (
    r"(?:\s+(?:po|there|all|guys|everyone|sir|ma'?am|mam|madam|kuya|ate|boss|admin|inyo|sa|team))*"
)
_GREETING = re.compile(rf"(?<!\s)\s*+(?:{_HELLO}{_WHOM}(?:[\s,.!:~-]+|$))+", re.IGNORECASE)


def without_greeting(text: str) -> str:
    """Return a question without the greetings that it begins with; empty when it is one."""
    return _GREETING.sub("", text, count=1) if _GREETING.match(text) else text
