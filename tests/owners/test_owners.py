"""Each case through the real system: given to an agent, asked, and what a visitor is told."""

import asyncio
import json
import runpy
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from alonchat.stack.embedded import free_port
from tests.flow.client import Client
from tests.owners.cases import FILES, Case, cases
from tests.owners.judge import UNKNOWN, has, notes_of, problems
from tests.stack import Stack, running
from tests.waiting import eventually

OVER = {"ready", "failed"}


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A system that may read sites on this machine, and quotes from its sources."""
    directory = tmp_path_factory.mktemp("owners")
    async with running(
        directory, one_process=True, CRAWL_PRIVATE_NETWORKS="127.0.0.0/8", CRAWL_DELAY="0"
    ) as stack:
        yield stack


@pytest.fixture(scope="module")
def port() -> int:
    """Where the sites are served."""
    port = free_port()
    serve = runpy.run_path(str(FILES / "16-websites" / "sites.py"))["serve"]
    for thread in serve(port):
        thread.start()
    return port


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    """A client with the secret key of a new enterprise account."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
        yield Client(http, await stack.account())


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
async def test_what_owners_have(client: Client, port: int, case: Case) -> None:
    """The source is read, or says why not, and every question gets its answer."""
    fields = {"name": "Shop", "model": "extractive", "no_answer_text": UNKNOWN}
    agent_id = (await client.post("/v1/agents", fields))["id"]
    given = await give(client, agent_id, case, port)
    refused = [one for one in given if one.status_code == 400]
    if refused:
        assert case.refused or case.may_refuse, refused[0].text
        assert has(refused[0].text, ".docx")
        return
    assert not case.refused, "it was taken"
    sources = [await ended(client, agent_id, one.json()["id"]) for one in given]
    if over(case, sources):
        return
    noted = "\n".join(map(notes_of, sources))
    assert noted or not case.notes, "the source does not say what was left out"
    if case.pages is not None:
        assert sources[0]["pages"]["fetched"] == case.pages, noted
    wrong = []
    for ask in case.ask:
        answer = await client.chat(agent_id, ask.question)
        told = json.dumps(answer["sources"], ensure_ascii=False, indent=1)
        found = list(problems(ask, answer, noted))
        if found:
            wrong.append(f"{ask.question}\n-> {answer['response']}\n{found}\n{told}")
    assert not wrong, "\n\n".join([*wrong, f"notes: {noted}"])


def over(case: Case, sources: list[dict[str, Any]]) -> bool:
    """Check how the sources ended; say whether there is nothing to ask."""
    errors = [str(one["error"]) for one in sources if one["status"] == "failed"]
    if case.fails:
        assert errors, "it is ready"
        assert any(has(errors[0], word) for word in case.fails), errors
        return True
    if errors and case.may_fail is not None:
        assert not case.may_fail or any(has(errors[0], word) for word in case.may_fail), errors
        return True
    assert not errors, errors
    return False


async def give(client: Client, agent_id: str, case: Case, port: int) -> list[httpx.Response]:
    """Add what the case has to the agent; return the responses."""
    path = f"/v1/agents/{agent_id}/sources"
    if case.file:
        file = FILES / case.file
        files = {"file": (file.name, await asyncio.to_thread(file.read_bytes))}
        return [await client.request("POST", f"{path}/files", files=files)]
    if case.site:
        site: dict[str, Any] = {
            "type": "website",
            "url": f"http://{case.host}:{port}/{case.site}/",
        }
        if case.max_pages:
            site["crawl"] = {"max_pages": case.max_pages}
        return [await client.request("POST", path, json=site)]
    posted = json.loads(await asyncio.to_thread((FILES / case.posted).read_text))
    return [await client.request("POST", path, json=source) for source in posted]


async def ended(client: Client, agent_id: str, source_id: str) -> dict[str, Any]:
    """Wait until a source is ready or failed; return it."""
    found: dict[str, Any] = {}

    async def is_over() -> bool:
        found.update(await client.get(f"/v1/agents/{agent_id}/sources/{source_id}"))
        return found["status"] in OVER

    await eventually(is_over, timeout=120)
    return found
