"""Understands a question that leans on the one before it, without a model.

"And on Sundays?" and "eh sa Cebu po?" mean nothing alone. They are searched together with the
question that they follow; one that says that it changes the subject is not.
"""

import re

from libs.contracts.chat import Exchange

_THANKS = (
    r"(?:(?:ok(?:ay|ey)?|thanks?(?: you)?|salamat|good|great|got it|i see|sige|ah|oh|po)[,.! ]+)*"
)
_OPENERS = re.compile(
    rf"{_THANKS}(?:and|what about|how about|what if|but|or|also|eh?|yung|ung|yong|pero|at|pati"
    r"|pa+no (?:naman|kung|pag|kapag))\b",
    re.IGNORECASE,
)
_POSSIBLE_OPENERS = re.compile(
    rf"{_THANKS}(?:then|so|same|only|which|why|since when|tapos|kung|kapag|pag|para|sa|kahit|ilan"
    r"|magkano|hm|how (?:much|long|many|often|far)|until when|when|where|who|kailan|saan|sino)\b",
    re.IGNORECASE,
)
_POINTERS = re.compile(
    r"\b(?:it|its|they|them|their|that|those|this|these|one|ones|there|instead|either|else"
    r"|ito|iyan|yan|iyon|yun|yon|nito|niyan|nyan|niyon|nun|dito|diyan|dyan|doon|dun|sila)\b",
    re.IGNORECASE,
)
_NEW_SUBJECT = re.compile(
    r"\b(?:different (?:thing|question|topic)|another (?:thing|question|topic)|next question"
    r"|new question|one more thing|something else|other question|by the way|btw|unrelated"
    r"|change (?:of )?(?:the )?(?:subject|topic)|rather|ibang tanong|iba naman|ibang usapan"
    r"|isa pang? tanong|may isa pa|sya nga pala|siya nga pala)\b",
    re.IGNORECASE,
)
LONGEST_POINTING = 14
"""Words; in a longer question a pronoun points at something within it."""
LONGEST_UNCLEAR = 3
"""Words; "how much po?" leans on what was said, "how much is delivery?" does not."""


def leans_on(question: str, longest: int) -> bool:
    """Whether a question says by its form that it follows another; `longest` is in words."""
    words = len(question.split())
    if words > longest or _NEW_SUBJECT.search(question):
        return False
    return bool(
        _OPENERS.match(question.strip())
        or (words <= LONGEST_UNCLEAR and _POSSIBLE_OPENERS.match(question.strip()))
        or (words <= LONGEST_POINTING and _POINTERS.search(question))
    )


def with_context(question: str, history: tuple[Exchange, ...]) -> str | None:
    """Return a question with the one before it, None when there is none or the subject changed."""
    if not history or _NEW_SUBJECT.search(question):
        return None
    return f"{question} ({history[-1].question})"
