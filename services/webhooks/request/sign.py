"""Signatures: Standard Webhooks 1.0, and the one header that the hosted original documents."""

import base64
import hashlib
import hmac
import secrets
from datetime import datetime

from standardwebhooks import Webhook

SECRET_PREFIX = "whsec_"  # noqa: S105 - the public prefix of secrets, not one
SECRET_BYTES = 32
LEGACY_HEADER = "x-alonchat-signature"
LEGACY_HEADER_OLD = "x-alonchat-signature-previous"


def new_signing_secret() -> str:
    """Return a new secret, `whsec_` and base64 of 256 random bits, as Standard Webhooks has it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature_headers(
    secret: str, webhook_id: str, body: str, at: datetime, old_secret: str = ""
) -> dict[str, str]:
    """Return the headers that prove a body's origin; `at` (aware) is the time of this attempt.

    With an `old_secret` that is signed with too. Standard Webhooks takes several signatures in one
    header; who compares the other header as a whole needs it to have one.
    """
    keys = [secret, old_secret] if old_secret else [secret]
    headers = {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(one).sign(webhook_id, at, body) for one in keys),
    }
    for name, one in zip((LEGACY_HEADER, LEGACY_HEADER_OLD), keys, strict=False):
        headers[name] = f"sha256={_hex_digest(one, body)}"
    return headers


def _hex_digest(secret: str, body: str) -> str:
    # Keyed with the secret as it is shown, prefix included: that is the original's own recipe.
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
