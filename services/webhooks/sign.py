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


def new_signing_secret() -> str:
    """Return a new secret, `whsec_` and base64 of 256 random bits, as Standard Webhooks has it."""
    return SECRET_PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def signature_headers(secret: str, webhook_id: str, body: str, at: datetime) -> dict[str, str]:
    """Return the headers that prove a body's origin; `at` (aware) is the time of this attempt."""
    return {
        "webhook-id": webhook_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(webhook_id, at, body),
        LEGACY_HEADER: f"sha256={_hex_digest(secret, body)}",
    }


def _hex_digest(secret: str, body: str) -> str:
    # Keyed with the secret as it is shown, prefix included: that is the original's own recipe.
    return hmac.new(secret.encode(), body.encode(), hashlib.sha256).hexdigest()
