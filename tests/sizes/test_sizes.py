"""What is large is answered, or refused by name; never silence, and never "try again"."""

import asyncio
import json
from typing import Any

import pytest

from libs.contracts.sizes import ANSWER, size_of
from tests.fakes.webhook_receiver import Receiver
from tests.flow.client import Client
from tests.sizes.conftest import LONG, MOST_RESPONSE
from tests.support.uploads import ended, upload

QUESTION = "What does the warranty cover?"


async def faq(client: Client, *answers: str, **fields: Any) -> str:
    """Return an agent that has a file of questions, all nearly the same, with these answers."""
    agent_id = str((await client.post("/v1/agents", {"name": "FAQ", **fields}))["id"])
    rows = [
        {"question": f"{QUESTION} {number}", "answer": answer}
        for number, answer in enumerate(answers)
    ]
    source_id = await upload(client, agent_id, "faq.json", json.dumps(rows).encode())
    source = await ended(client, agent_id, source_id)
    assert source["status"] == "ready", source
    return agent_id


@pytest.mark.parametrize(
    ("letter", "length", "rows"),
    [("ab ", 200_000, 1), ("b ", 45_000, 8), ("\x01", 20_000, 7), ("\n🙂", 10_000, 7)],
    ids=["one cell", "articles", "controls", "emoji"],
)
async def test_a_question_about_large_answers_is_answered(
    client: Client, letter: str, length: int, rows: int
) -> None:
    """Passages of any size: whole and streamed, by a model and without one."""
    answers = [f"It covers part {n}. {letter * length} The end." for n in range(rows)]
    agent_id = await faq(client, *answers, model="extractive")
    quoted, streamed = await asyncio.gather(
        client.chat(agent_id, QUESTION), client.stream(agent_id, QUESTION)
    )
    assert quoted["sources"]
    assert quoted["response"]
    assert streamed.names[-1] == "done"
    await client.request("PATCH", f"/v1/agents/{agent_id}", json={"model": "controls"})
    said = await client.chat(agent_id, QUESTION)
    assert said["finish_reason"] == "length"
    assert size_of(said["response"]) <= ANSWER + 2
    assert said["sources"]


async def test_a_long_cell_is_found_to_its_end(client: Client) -> None:
    """What stands at the end of a cell that is cut into pieces can be asked for."""
    filler = "We say much about nothing of any interest to anybody here. " * 1_500
    agent_id = await faq(
        client, f"{filler} The battery of the Narra lantern is a BX-2041.", model="extractive"
    )
    answer = await client.chat(agent_id, "Which battery has the Narra lantern?")
    assert "BX-2041" in answer["response"]


async def test_a_conversation_of_any_size_goes_on(client: Client, receiver: Receiver) -> None:
    """The longest answers in four bytes a letter: every message is answered and told of."""
    agent_id = await client.agent(model="long")
    hook = {"name": "all", "endpoint_url": receiver.url("/long"), "events": ["message.sent"]}
    await client.post(f"/v1/agents/{agent_id}/webhooks", hook)
    answers: list[dict[str, Any]] = []
    for _ in range(5):
        again = {"conversation_id": answers[0]["conversation_id"]} if answers else {}
        answer = await client.chat(agent_id, '"' * 8_000, **again)
        assert LONG.startswith(answer["response"])
        assert answer["finish_reason"] == "length"
        answers.append(answer)
    told = await receiver.wait_for("/long", 5)
    assert {len(json.loads(one.body)["data"]["message"]) for one in told} == {
        len(answer["response"])
    }
    await pages_lead_to_all_of_it(client, answers[0]["conversation_id"])


async def pages_lead_to_all_of_it(client: Client, conversation_id: str) -> None:
    """Read a conversation backwards; no page is much larger than allowed, nothing is missing."""
    messages: list[dict[str, Any]] = []
    path, pages = f"/v1/conversations/{conversation_id}", 0
    before: dict[str, str] = {}
    while True:
        page = await client.get(path, params=before)
        assert len(json.dumps(page, ensure_ascii=False).encode()) < MOST_RESPONSE + 2 * ANSWER
        messages = page["messages"] + messages
        pages += 1
        if not page["has_more"]:
            break
        before = {"before": page["next_before"]}
    assert pages > 1
    assert [message["role"] for message in messages] == ["user", "assistant"] * 5
    assert page["next_before"] is None


async def test_lists_of_large_sources_come_in_pages(client: Client) -> None:
    """Crawls that name all the paths they may: fewer a page, and every one of them once."""
    agent_id = await client.agent(model="extractive")
    paths = [f"/{number}" + "p" * 490 for number in range(50)]
    crawl = {"max_pages": 1, "include": paths, "exclude": paths}
    path = f"/v1/agents/{agent_id}/sources"
    ids = [
        (
            await client.post(
                path,
                {"type": "website", "url": f"http://127.0.0.1:9/{n}", "crawl": crawl},
            )
        )["id"]
        for n in range(25)
    ]
    found: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await client.get(path, params={"limit": 100, **cursor})
        found += [item["id"] for item in page["items"]]
        if not page["has_more"]:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert found == ids[::-1]


async def test_a_message_of_control_characters_is_answered(client: Client) -> None:
    """As many as a message may have: six bytes each, all the way."""
    agent_id = await client.agent(model="extractive")
    response = await client.request(
        "POST", f"/v1/agents/{agent_id}/chat", json={"message": "\x01" * 8_000}
    )
    assert response.status_code == 200, response.text


async def test_pages_of_agents_end_in_time(client: Client) -> None:
    """Agents with the longest instructions there are."""
    instructions = "\x01" * 8_000
    for number in range(25):
        await client.post("/v1/agents", {"name": f"A{number}", "instructions": instructions})
    first = await client.get("/v1/agents", params={"limit": 100})
    assert 0 < len(first["items"]) < 25
    rest = await client.get("/v1/agents", params={"limit": 100, "cursor": first["next_cursor"]})
    assert len(first["items"]) + len(rest["items"]) == 25
