"""The headers of a webhook request: the owner's own, ours, the signatures. Pure."""

from datetime import datetime

from libs.contracts.webhooks import Delivery
from services.webhooks.request.sign import signature_headers

USER_AGENT = "Alonchat-Webhooks/1"


def headers_of(
    delivery: Delivery,
    own: tuple[tuple[str, str], ...],
    at: datetime,
    *,
    secret: str,
    old_secret: str,
) -> dict[str, str]:
    """Return all headers of an attempt; `own` are the endpoint's, `old_secret` signs as well."""
    # Ours come last and win, whatever an endpoint was once allowed to set.
    return {name.lower(): value for name, value in own} | {
        "content-type": "application/json",
        "accept-encoding": "identity",
        "user-agent": USER_AGENT,
        **signature_headers(secret, delivery.webhook_id, delivery.body, at, old_secret),
    }
