"""What llm reports about the model server."""

import pytest

from libs.runtime.health import run_checks
from services.llm.openai_model import open_model
from tests.fakes.openai_server import FakeOpenAI
from tests.llm.conftest import KEY, settings_with


@pytest.mark.parametrize(
    ("key", "path", "ok", "detail"),
    [
        (KEY, "/v1", True, ""),
        (KEY, "/elsewhere", True, ""),
        ("sk-wrong", "/v1", False, "LLM_API_KEY"),
    ],
    ids=["answers", "has no list of models", "refuses the key"],
)
async def test_probe_names_what_is_wrong(
    key: str, path: str, ok: bool, detail: str, upstream: FakeOpenAI
) -> None:
    """A server that answers is fine even without a list of models; a refused key is not."""
    url = upstream.base_url.replace("/v1", path)
    async with open_model(settings_with(llm_base_url=url, llm_api_key=key)) as model:
        assert model is not None
        [found] = await run_checks({"llm": model.ping})
    assert found.ok is ok
    assert detail in found.detail
    assert key not in found.detail


async def test_unreachable_server_is_reported() -> None:
    """Nobody listens: the report says which setting to look at."""
    async with open_model(settings_with(llm_base_url="http://127.0.0.1:9/v1")) as model:
        assert model is not None
        [found] = await run_checks({"llm": model.ping})
    assert not found.ok
    assert "LLM_BASE_URL" in found.detail


async def test_no_model_is_opened_without_a_setting() -> None:
    """Neither URL nor key: the extractive answerer needs nobody."""
    async with open_model(settings_with()) as model:
        assert model is None
