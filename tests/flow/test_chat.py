"""Chatting through all five services."""

import asyncio

import pytest

from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import HOURS, Client
from tests.waiting import eventually


@pytest.fixture
async def agent(client: Client) -> str:
    """An agent that answers with the model."""
    return await client.agent(HOURS, instructions="Be brief.", model="flow-model")


def numbered(tokens: int) -> str:
    """What the fake model says by default."""
    return "".join(f"tok{n} " for n in range(tokens))


async def test_an_answer_of_the_model(client: Client, agent: str, model: FakeOpenAI) -> None:
    """The model's text, its name and price; the passages and instructions reached its prompt."""
    answer = await client.chat(agent, "When are you open?")
    assert answer["response"] == numbered(64)
    assert (answer["model"], answer["credits_used"]) == ("flow-model", 5)
    prompt = str(model.chats[-1].body["messages"])
    assert "9AM to 6PM" in prompt
    assert "Be brief." in prompt


async def test_history_reaches_the_prompt(client: Client, agent: str, model: FakeOpenAI) -> None:
    """A conversation continued by its id carries what was said."""
    first = await client.chat(agent, "Do you sell green mangoes?")
    await client.chat(agent, "And ripe ones?", conversation_id=first["conversation_id"])
    messages = model.chats[-1].body["messages"]
    said = [(message["role"], message["content"]) for message in messages]
    assert ("user", "Do you sell green mangoes?") in said
    assert ("assistant", numbered(64)) in said
    assert "And ripe ones?" in messages[-1]["content"]


async def test_text_comes_before_the_model_has_finished(
    client: Client, agent: str, model: FakeOpenAI
) -> None:
    """The first pieces arrive while the model is still speaking."""
    model.pause()
    model.scripts["flow-model"] = Script(stall_after=8)
    try:
        async with client.streaming(agent, "When are you open?") as (streamed, events):
            async for name, data in events:
                streamed.events.append((name, data))
                if name == "text" and "tok7" in data["text"]:
                    assert model.open_chats == 1
                    model.resume()
    finally:
        del model.scripts["flow-model"]
    assert streamed.text == numbered(64)
    assert streamed.names[0] == "sources"
    assert streamed.names[-1] == "done"


async def test_out_of_scope_is_said_to_be_so(client: Client, shop: str) -> None:
    """A question that no source covers is answered with low confidence, and the answer says so."""
    answer = await client.chat(shop, "Who won the football world cup in 2018?")
    assert answer["confidence"] < 0.5
    assert "know" in answer["response"]


async def test_many_streams_at_once_are_complete(
    client: Client, agent: str, model: FakeOpenAI
) -> None:
    """60 streams of 64 tokens at once: every token, in order, one done each."""
    model.scripts["flow-model"] = Script(interval_ms=10)
    try:
        answers = await asyncio.gather(*(client.stream(agent, f"Hi {n}") for n in range(60)))
    finally:
        del model.scripts["flow-model"]
    assert {answer.text for answer in answers} == {numbered(64)}
    assert all(answer.names.count("done") == 1 for answer in answers)


async def test_two_requests_at_once_on_one_conversation(client: Client, shop: str) -> None:
    """Both succeed, and the conversation stays question, answer, question, answer."""
    first = await client.chat(shop, "Hello")
    conversation_id = first["conversation_id"]
    await asyncio.gather(
        *(client.chat(shop, f"Question {n}", conversation_id=conversation_id) for n in range(5))
    )
    conversation = await client.get(f"/v1/conversations/{conversation_id}")
    roles = [message["role"] for message in conversation["messages"]]
    assert roles == ["user", "assistant"] * 6


@pytest.mark.parametrize("script", ["fake-500", "fake-cut", "fake-empty", "fake-refusal"])
async def test_a_failing_model_is_a_clean_error_and_costs_nothing(
    client: Client, script: str
) -> None:
    """Whole: a 5xx envelope. Streamed: one error event. Stored, and refunded."""
    agent_id = await client.agent(HOURS, model=script)
    before = (await client.get("/v1/credits"))["available"]
    response = await client.request(
        "POST", f"/v1/agents/{agent_id}/chat", json={"message": "When are you open?"}
    )
    assert response.status_code in {500, 503}
    error = response.json()["error"]
    assert error["code"].startswith("upstream_")
    streamed = await client.stream(agent_id, "When are you open?")
    assert streamed.names[-1] == "error"
    assert streamed.names.count("error") == 1
    assert "done" not in streamed.names
    assert streamed.last["error"]["code"] == error["code"]
    conversation = await client.get(f"/v1/conversations/{streamed.headers['x-conversation-id']}")
    failed = conversation["messages"][-1]
    assert (failed["status"], failed["error"]["code"]) == ("failed", error["code"])

    async def refunded() -> bool:
        credits = await client.get("/v1/credits")
        return bool(credits["available"] == before and credits["held"] == 0)

    await eventually(refunded)


async def test_a_disconnect_does_not_lose_the_answer(
    client: Client, agent: str, model: FakeOpenAI
) -> None:
    """The client leaves in the middle; the conversation has the whole answer all the same."""
    model.pause()
    model.scripts["flow-model"] = Script(stall_after=8)
    async with client.streaming(agent, "When are you open?") as (streamed, events):
        async for name, _ in events:
            if name == "text":
                break
    model.resume()
    del model.scripts["flow-model"]
    conversation_id = streamed.headers["x-conversation-id"]

    async def answered() -> bool:
        conversation = await client.get(f"/v1/conversations/{conversation_id}")
        return bool(conversation["messages"][-1]["content"] == numbered(64))

    await eventually(answered)
