"""Changing, replacing and re-indexing sources through the API."""

import pytest

from tests.flow.client import Client
from tests.support.errors import error_of
from tests.support.uploads import ended, upload


async def question(client: Client, agent_id: str, answer: str) -> str:
    """Add a question with this answer and wait until it answers."""
    body = {"type": "qa", "question": "When do you open?", "answer": answer}
    response = await client.request("POST", f"/v1/agents/{agent_id}/sources", json=body)
    assert response.status_code == 201, response.text
    source_id = str(response.json()["id"])
    assert (await ended(client, agent_id, source_id))["status"] == "ready"
    return source_id


async def test_a_changed_answer_is_given(client: Client) -> None:
    """PATCH changes what it names, and the next answers say it."""
    agent_id = await client.agent(model="extractive")
    source_id = await question(client, agent_id, "At nine.")
    path = f"/v1/agents/{agent_id}/sources/{source_id}"
    response = await client.request("PATCH", path, json={"answer": "At ten."})
    assert (response.status_code, response.json()["status"]) == (200, "queued")
    source = await ended(client, agent_id, source_id)
    assert (source["answer"], source["question"]) == ("At ten.", "When do you open?")
    assert (await client.chat(agent_id, "When do you open?"))["response"] == "At ten."


async def test_a_replaced_file_answers(client: Client) -> None:
    """PUT …/file takes the place of the former content; its name is the new one's."""
    agent_id = await client.agent(model="extractive")
    source_id = await upload(client, agent_id, "faq.csv", b"question,answer\nOpen when?,At nine.")
    await ended(client, agent_id, source_id)
    path = f"/v1/agents/{agent_id}/sources/{source_id}/file"
    new = b"question,answer\nOpen when?,At ten."
    response = await client.request("PUT", path, files={"file": ("new.csv", new)})
    assert response.status_code == 200, response.text
    assert response.json()["file"] == {"name": "new.csv", "size": len(new)}
    assert (await ended(client, agent_id, source_id))["status"] == "ready"
    assert (await client.chat(agent_id, "Open when?"))["response"] == "At ten."


async def test_indexing_again_changes_nothing(client: Client) -> None:
    """The source is queued and ready again, and says what it said."""
    agent_id = await client.agent(model="extractive")
    source_id = await question(client, agent_id, "At nine.")
    path = f"/v1/agents/{agent_id}/sources/{source_id}/reindex"
    response = await client.request("POST", path)
    assert (response.status_code, response.json()["status"]) == (200, "queued")
    assert (await ended(client, agent_id, source_id))["status"] == "ready"
    assert (await client.chat(agent_id, "When do you open?"))["response"] == "At nine."


async def test_the_same_content_is_the_same_source(client: Client) -> None:
    """Adding or uploading it again is a 200 with the source that is there."""
    agent_id = await client.agent(model="extractive")
    source_id = await question(client, agent_id, "At nine.")
    body = {"type": "qa", "title": "Hours", "question": "When do you open?", "answer": "At nine."}
    response = await client.request("POST", f"/v1/agents/{agent_id}/sources", json=body)
    assert (response.status_code, response.json()["id"]) == (200, source_id)
    path = f"/v1/agents/{agent_id}/sources/files"
    first = await client.request("POST", path, files={"file": ("a.txt", b"We open at nine.")})
    again = await client.request("POST", path, files={"file": ("b.txt", b"We open at nine.")})
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json()["id"] == again.json()["id"]


@pytest.mark.parametrize(
    ("body", "param"),
    [({"text": "x"}, "text"), ({"answer": " "}, "answer"), ({"type": "text"}, "type")],
)
async def test_a_change_that_makes_no_sense_is_refused(
    client: Client, body: dict[str, str], param: str
) -> None:
    """The error names the field, and the source answers as before."""
    agent_id = await client.agent(model="extractive")
    source_id = await question(client, agent_id, "At nine.")
    path = f"/v1/agents/{agent_id}/sources/{source_id}"
    assert error_of(await client.request("PATCH", path, json=body), 400)["param"] == param
    assert (await client.chat(agent_id, "When do you open?"))["response"] == "At nine."


async def test_a_change_of_what_is_not_there(client: Client) -> None:
    """Whatever is to be done with it: 404, and a file that came with it is not kept."""
    agent_id = await client.agent()
    path = f"/v1/agents/{agent_id}/sources/src_none"
    form = {"file": ("a.txt", b"x")}
    assert error_of(await client.request("PATCH", path, json={"title": "x"}), 404)
    assert error_of(await client.request("POST", f"{path}/reindex"), 404)
    assert error_of(await client.request("PUT", f"{path}/file", files=form), 404)
