"""What an examination finds."""

import msgspec


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried; the sentence says what to do when it does not work."""

    name: str
    ok: bool
    sentence: str
