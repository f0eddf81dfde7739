"""Follow-up questions from the agent's own Q&A, through all five services."""

from typing import Any

import pytest

from libs.runtime.ids import new_id
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import HOURS, Client


def qa(title: str, question: str, answer: str) -> dict[str, Any]:
    """A source of type qa."""
    return {"type": "qa", "title": title, "question": question, "answer": answer}


WHERE = qa("Location", "Where is your shop?", "At 12 Mabini Street, Quezon City.")
FEE = qa("Delivery", "How much is delivery?", "80 pesos within the city.")
PAY = qa("Payment", "How can I pay?", "By cash and GCash.")
PARKING = qa("Parking", "Is there parking at the shop?", "Yes, for ten cars.")
TEXT = {"type": "text", "title": "Story", "text": "The shop was founded by Aling Rosa in 1987."}
QUESTIONS = {str(source["question"]) for source in (HOURS, WHERE, FEE, PAY, PARKING)}


@pytest.fixture
async def agent(client: Client) -> str:
    """An agent with five questions and a text."""
    return await client.agent(HOURS, WHERE, FEE, PAY, PARKING, TEXT, model="extractive")


async def test_other_questions_of_the_agent_are_suggested(client: Client, agent: str) -> None:
    """Three of its own, not the one that was answered; whole, streamed and stored alike."""
    answer = await client.chat(agent, "When are you open?")
    suggested = answer["suggestions"]
    assert len(set(suggested)) == 3
    assert set(suggested) <= QUESTIONS - {HOURS["question"]}
    streamed = await client.stream(agent, "When are you open?")
    assert streamed.last["suggestions"] == suggested
    conversation = await client.get(f"/v1/conversations/{answer['conversation_id']}")
    assert conversation["messages"][-1]["suggestions"] == suggested
    assert "suggestions" not in conversation["messages"][0]


async def test_what_was_asked_before_is_not_suggested_again(client: Client, agent: str) -> None:
    """Each question that is taken up leaves the suggestions of the conversation."""
    answer = await client.chat(agent, str(HOURS["question"]))
    asked = {str(HOURS["question"])}
    while answer["suggestions"]:
        asked.add(answer["suggestions"][0])
        conversation_id = answer["conversation_id"]
        answer = await client.chat(agent, answer["suggestions"][0], conversation_id=conversation_id)
        assert asked.isdisjoint(answer["suggestions"])
    assert asked == QUESTIONS


async def test_what_a_model_answered_before_is_not_suggested_again(
    client: Client, agent: str
) -> None:
    """Neither question nor answer repeats the source's words; its Q&A is known all the same."""
    await client.request("PATCH", f"/v1/agents/{agent}", json={"model": "flow-model"})
    first = await client.chat(agent, "Until when can I come by on a Monday, are you open?")
    assert first["sources"][0]["title"] == HOURS["title"]
    second = await client.chat(
        agent, "How much is delivery?", conversation_id=first["conversation_id"]
    )
    assert second["suggestions"]
    assert HOURS["question"] not in first["suggestions"] + second["suggestions"]


async def test_nearest_question_is_suggested_when_the_answer_is_not_known(
    client: Client, agent: str
) -> None:
    """Who gets no answer is shown what can be asked."""
    await client.request("PATCH", f"/v1/agents/{agent}", json={"answer_threshold": 1})
    answer = await client.chat(agent, "Do you have a garage where I could leave a truck?")
    assert "know" in answer["response"]
    assert len(answer["suggestions"]) == 3


@pytest.mark.parametrize("most", [0, 1, 5])
async def test_owner_says_how_many(client: Client, agent: str, most: int) -> None:
    """None at all, too; never more than there are."""
    await client.request("PATCH", f"/v1/agents/{agent}", json={"suggestions": most})
    answer = await client.chat(agent, str(HOURS["question"]))
    assert len(answer["suggestions"]) == min(most, 4)


async def test_repeated_message_has_the_same_suggestions(client: Client, agent: str) -> None:
    """Replayed by its Idempotency-Key, whole and streamed, and in a resumed stream."""
    key = new_id("idem")
    path, body = f"/v1/agents/{agent}/chat", {"message": "When are you open?"}
    headers = {"Idempotency-Key": key}
    first = await client.post(path, body, headers=headers)
    assert first["suggestions"]
    assert await client.post(path, body, headers=headers) == first
    streamed = await client.stream(agent, "When are you open?", key=key)
    resumed = await client.resume(first["message_id"])
    assert streamed.last["suggestions"] == resumed.last["suggestions"] == first["suggestions"]


async def test_answer_of_a_model_has_suggestions(
    client: Client, agent: str, model: FakeOpenAI
) -> None:
    """They are the search's, whoever answers."""
    model.scripts["suggesting"] = Script(text="At nine.")
    await client.request("PATCH", f"/v1/agents/{agent}", json={"model": "suggesting"})
    answer = await client.chat(agent, "When are you open?")
    assert len(answer["suggestions"]) == 3
