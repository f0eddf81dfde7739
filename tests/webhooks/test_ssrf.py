"""What a webhook can't be registered for."""

from collections.abc import AsyncIterator

import pytest

from libs.bus.errors import FaultError
from services.webhooks.app import run
from tests.egress.test_safe_transport import REFUSED_URLS
from tests.webhooks.conftest import Owner


@pytest.fixture
async def strict_service(
    settings: None,  # noqa: ARG001 - the environment that it changes
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[None]:
    """The service as it runs in production."""
    monkeypatch.delenv("WEBHOOKS_ALLOW_PRIVATE")
    async with run():
        yield


@pytest.mark.usefixtures("strict_service")
async def test_no_spelling_of_a_private_target_can_be_registered(owner: Owner) -> None:
    """Every one of the list is refused at creation, with the field named."""
    for url in REFUSED_URLS:
        with pytest.raises(FaultError) as refusal:
            await owner.create(url)
        assert (refusal.value.fault.code, refusal.value.fault.param) == ("invalid", "endpoint_url")
    await owner.create("https://8.8.8.8/hook")
