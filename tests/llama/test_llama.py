"""A real llama.cpp server answers through the whole stack, and embeds.

The model is tiny, so nothing is asked of what it says: only that it arrives, whole.
"""

import math
from typing import Any

import httpx
import pytest

from libs.runtime.settings import SettingsError
from services.rag.embed.server import EmbeddingTimeouts, open_openai_embeddings
from tests.flow.client import Client
from tests.waiting import eventually

SHORT = {"model": "gemma", "max_tokens": 12, "instructions": "Be brief."}


async def balance(client: Client) -> int:
    """Credits that the account has."""
    return int((await client.get("/v1/credits"))["balance"])


async def test_an_answer_comes_whole_and_streamed(client: Client) -> None:
    """As JSON and as a stream: the text that is stored, cut at the limit of tokens."""
    agent_id = await client.agent(**SHORT)
    before = await balance(client)
    answer = await client.chat(agent_id, "Tell me all about lamps.")
    conversation = {"conversation_id": answer["conversation_id"]}
    streamed = await client.stream(agent_id, "And about shops?", **conversation)
    path = f"/v1/conversations/{answer['conversation_id']}"
    stored = [one for one in (await client.get(path))["messages"] if one["role"] == "assistant"]
    assert [one["content"] for one in stored] == [answer["response"], streamed.text]
    assert all(one["content"] for one in stored)
    reasons = {answer["finish_reason"], streamed.last["finish_reason"]}
    assert reasons <= {"length", "stop"}
    spent = answer["credits_used"] + streamed.last["credits_used"]
    assert before - await balance(client) == spent > 0


async def test_a_question_beyond_the_context_fails_and_is_free(client: Client) -> None:
    """What the server calls exceed_context_size_error costs nothing; the next question works."""
    agent_id = await client.agent(**SHORT)
    before = await balance(client)
    path = f"/v1/agents/{agent_id}/chat"
    long = {"message": "lamp " * 1_500}
    response = await client.request("POST", path, json=long)
    assert (response.status_code, response.headers.get("retry-after")) == (500, None)
    assert response.json()["error"]["code"] == "context_length_exceeded"
    assert await balance(client) == before
    assert (await client.chat(agent_id, "Hi."))["response"]


async def test_a_cancelled_answer_frees_the_slot(client: Client, llama: str) -> None:
    """The server stops working on it at once; what was said stays."""
    agent_id = await client.agent(**SHORT | {"max_tokens": 900})
    async with client.streaming(agent_id, "Count to one thousand.") as (streamed, events):
        async for event in events:
            streamed.events.append(event)
            if streamed.text:
                break
        path = f"/v1/messages/{streamed.headers['X-Message-Id']}/cancel"
        cancelled = await client.post(path, None)
    assert cancelled["status"] in {"cancelled", "done"}  # it may end by itself just before
    assert cancelled["content"].startswith(streamed.text)

    async def is_free() -> bool:
        async with httpx.AsyncClient(base_url=llama) as http:
            slots: list[dict[str, Any]] = (await http.get("/slots", timeout=30)).json()
        return not any(slot["is_processing"] for slot in slots)

    await eventually(is_free)


def opened(llama: str, dimensions: int | None = None) -> Any:
    """Embeddings by the real server."""
    return open_openai_embeddings(
        f"{llama}/v1",
        api_key="",
        model="gemma",
        dimensions=dimensions,
        query_prefix="",
        timeout=200,
        patience=EmbeddingTimeouts(question=200, passages=200),
    )


async def test_it_embeds_also_what_is_too_long_for_it(llama: str) -> None:
    """It refuses texts of more than 128 tokens with a 500, which are cut; the others are whole."""
    async with opened(llama) as embeddings:
        assert embeddings.dimensions == 640
        texts = ["We open at nine.", "lamp " * 150, "We deliver to Cebu."]
        hours, lamps, delivery = await embeddings.embed_passages(texts)
        assert [math.hypot(*one) for one in (hours, lamps, delivery)] == pytest.approx([1.0] * 3)
        assert hours == pytest.approx(await embeddings.embed_question(texts[0]), abs=1e-3)


async def test_a_vector_size_that_it_ignores_is_said(llama: str) -> None:
    """It takes `dimensions` and does not keep to them."""
    with pytest.raises(SettingsError, match=r"640 numbers, not 64.*EMBEDDINGS_DIMENSIONS"):
        async with opened(llama, dimensions=64):
            pass
