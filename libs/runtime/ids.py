"""Ids: a prefix that names the kind, and a ULID, so that ids sort by creation time."""

import secrets

from ulid import ULID


def new_id(prefix: str) -> str:
    """Return a new id such as `conv_01jd3f8a7c…`."""
    return f"{prefix}_{str(ULID()).lower()}"


def new_secret(prefix: str) -> str:
    """Return a new secret such as `sk_…` with 256 bits of randomness."""
    return f"{prefix}_{secrets.token_urlsafe(32)}"
