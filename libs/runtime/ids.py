"""Ids: a prefix that names the kind, and a ULID, so that ids sort by creation time."""

import re
import secrets

from ulid import ULID

ID = re.compile(r"[a-z]{1,20}_[0-9a-z]{26}")


def new_id(prefix: str) -> str:
    """Return a new id such as `conv_01jd3f8a7c…`."""
    return f"{prefix}_{str(ULID()).lower()}"


def is_id(text: str) -> bool:
    """Whether new_id() could have made it; nothing else needs to be looked for."""
    return bool(ID.fullmatch(text))


def new_secret(prefix: str) -> str:
    """Return a new secret such as `sk_…` with 256 bits of randomness."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
