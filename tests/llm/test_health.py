"""What llm reports about the model server."""

import math

import pytest

from libs.bus.health import run_checks
from services.llm.choices import Choice
from services.llm.failures import Failed
from services.llm.model.openai import open_model
from tests.fakes.openai_server import FakeOpenAI
from tests.llm.conftest import KEY, settings_with
from tests.llm.grounded import a_grounded


@pytest.mark.parametrize(
    ("key", "path"),
    [(KEY, "/v1"), (KEY, "/elsewhere"), ("sk-wrong", "/v1")],
    ids=["answers", "has no list of models", "may not list models"],
)
async def test_server_that_answers_is_fine(key: str, path: str, upstream: FakeOpenAI) -> None:
    """Even without a list of models, or with a key that may not read it."""
    url = upstream.base_url.replace("/v1", path)
    async with open_model(settings_with(llm_base_url=url, llm_api_key=key)) as model:
        assert model is not None
        [found] = await run_checks({"llm": model.ping})
    assert found.ok


async def test_key_that_was_refused_is_reported(upstream: FakeOpenAI) -> None:
    """Refused for an answer, not for the list; until an answer is given again."""
    settings = settings_with(llm_base_url=upstream.base_url, llm_api_key="sk-wrong")
    async with open_model(settings) as model:
        assert model is not None
        with pytest.raises(Failed, match="model_unavailable: status 401"):
            await anext(model.answer(a_grounded(), Choice("m", 1), due=math.inf))
        [found] = await run_checks({"llm": model.ping})
        assert not found.ok
        assert "LLM_API_KEY" in found.detail
        assert "sk-wrong" not in found.detail
        upstream.api_key = "sk-wrong"
        async for _ in model.answer(a_grounded(), Choice("m", 1), due=math.inf):
            pass
        [found] = await run_checks({"llm": model.ping})
        assert found.ok


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
