"""Files as sources, from the upload to the cited page."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.flow.client import Client
from tests.rag import documents
from tests.support.errors import error_of
from tests.support.uploads import ended, upload

PAGES = [
    ("Delivery", "We deliver to Cebu and Bohol. The delivery fee is 90 pesos for every island."),
    ("Returns", "Broken bottles can be returned within fourteen days, with the receipt."),
]


async def test_an_answer_cites_the_page(client: Client) -> None:
    """A PDF is read in the background; the answer quotes it with its page."""
    agent_id = await client.agent(model="extractive")
    source_id = await upload(client, agent_id, "Manual.pdf", documents.pdf(PAGES))
    source = await ended(client, agent_id, source_id)
    assert (source["status"], source["title"], source["chunks"]) == ("ready", "Manual.pdf", 2)
    assert source["total_chunks"] == 2
    answer = await client.chat(agent_id, "Can I return broken bottles?")
    assert "fourteen days" in answer["response"]
    used = answer["sources"][0]
    assert (used["id"], used["type"], used["page"]) == (source_id, "file", 2)


async def test_questions_by_the_table(client: Client) -> None:
    """A CSV file of questions answers them in its words."""
    agent_id = await client.agent(model="extractive")
    rows = "question,answer\n" + "\n".join(
        f"What is item {n}?,Item {n} is a lamp." for n in range(40)
    )
    source_id = await upload(client, agent_id, "faq.csv", rows.encode(), title="Items")
    source = await ended(client, agent_id, source_id)
    assert (source["status"], source["title"], source["chunks"]) == ("ready", "Items", 40)
    answer = await client.chat(agent_id, "What is item 17?")
    assert answer["response"] == "Item 17 is a lamp."


async def test_a_file_that_can_not_be_read_fails_with_a_reason(client: Client) -> None:
    """The source says why, and its webhook event would."""
    agent_id = await client.agent()
    content = documents.pdf(PAGES, password="hidden")
    source = await ended(client, agent_id, await upload(client, agent_id, "a.pdf", content))
    assert source["status"] == "failed"
    assert source["error"] == "The PDF is encrypted: upload it without its password."


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [("tool.exe", b"MZ", ".pdf"), ("empty.txt", b"", "empty"), ("none", b"x", ".docx")],
)
async def test_a_bad_file_is_refused_at_once(
    client: Client, shop: str, name: str, content: bytes, says: str
) -> None:
    """What can't be a document is not even stored."""
    path = f"/v1/agents/{shop}/sources/files"
    response = await client.request("POST", path, files={"file": (name, content)})
    error = error_of(response, 400)
    assert error["param"] == "file"
    assert says in error["message"]


async def test_an_upload_that_is_too_large_is_refused(client: Client, shop: str) -> None:
    """Beyond MAX_UPLOAD_BYTES it is a 413 like any body."""
    path = f"/v1/agents/{shop}/sources/files"
    content = b"x" * (26 * 1024 * 1024)
    response = await client.request("POST", path, files={"file": ("a.txt", content)})
    assert error_of(response, 413)["code"] == "payload_too_large"


async def test_an_upload_of_unknown_length_is_bounded_too(client: Client, shop: str) -> None:
    """A body that does not say how long it is gets a 413 once it is too long."""

    async def body() -> AsyncIterator[bytes]:
        head = 'Content-Disposition: form-data; name="file"; filename="a.txt"'
        yield f"--edge\r\n{head}\r\n\r\n".encode()
        for _ in range(26):
            yield b"x" * 1024 * 1024
        yield b"\r\n--edge--\r\n"

    response = await client.request(
        "POST",
        f"/v1/agents/{shop}/sources/files",
        content=body(),
        headers={"Content-Type": "multipart/form-data; boundary=edge"},
    )
    assert error_of(response, 413)["code"] == "payload_too_large"


async def test_an_upload_is_a_form(client: Client, shop: str) -> None:
    """JSON is for the other endpoint, a form without a file is incomplete."""
    path = f"/v1/agents/{shop}/sources/files"
    response = await client.request("POST", path, json={"title": "x"})
    assert error_of(response, 415)
    response = await client.request("POST", path, files={"other": ("a.txt", b"x")})
    assert error_of(response, 400)


async def test_a_deleted_file_answers_nothing(client: Client) -> None:
    """With its source every trace of it goes."""
    agent_id = await client.agent(model="extractive")
    content = json.dumps([{"question": "Where are you?", "answer": "In Cebu."}]).encode()
    source_id = await upload(client, agent_id, "faq.json", content)
    await ended(client, agent_id, source_id)
    path = f"/v1/agents/{agent_id}/sources/{source_id}"
    assert (await client.request("DELETE", path)).status_code == 204
    answer = await client.chat(agent_id, "Where are you?")
    assert answer["sources"] == []
