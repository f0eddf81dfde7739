"""How settings are written."""

import pytest

from services.rag.settings import RagSettings
from services.webhooks.settings import WebhooksSettings


@pytest.mark.parametrize("written", ["10.0.0.0/8,10.1.0.0/16", " 10.0.0.0/8 , 10.1.0.0/16, "])
def test_values_are_separated_by_commas_with_or_without_spaces(
    written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So an operator writes them, in either service."""
    for name in ("NATS_URL", "MONGO_URL"):
        monkeypatch.setenv(name, "set")
    for name in ("CRAWL_PRIVATE_NETWORKS", "WEBHOOK_ALLOWED_NETWORKS"):
        monkeypatch.setenv(name, written)
    monkeypatch.setenv("WEBHOOK_RETRY_DELAYS", "1, 2.5")
    read = RagSettings.load().crawl_private_networks
    webhooks = WebhooksSettings.load()
    expected = ["10.0.0.0/8", "10.1.0.0/16"]
    assert [str(network) for network in read] == expected
    assert [str(network) for network in webhooks.webhook_allowed_networks] == expected
    assert webhooks.webhook_retry_delays == (1.0, 2.5)
