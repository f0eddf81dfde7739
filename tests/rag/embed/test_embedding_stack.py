"""An odd embedding server behind the whole stack: what a client is told, and that it can start."""

import asyncio
import os
import sys
import time
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from tests.fakes.odd_embeddings import Asked, OddEmbeddings, Said, listed, ordinary
from tests.flow.client import HOURS, Client
from tests.stack import Stack, running
from tests.support.credits import settled
from tests.support.embedding_answers import error


def without_base64(asked: Asked) -> Said:
    """A server that knows numbers only."""
    return error(400, "encoding_format: float only") if asked.is_base64 else ordinary(asked)


REFUSING = {
    "ask-error": lambda _: Said({"error": "no"}),
    "ask-401": lambda _: Said({}, 401),
    "ask-500": lambda _: Said({}, 500),
    "": without_base64,
}


@pytest.fixture
async def stack(tmp_path: Path) -> AsyncIterator[Stack]:
    """A system whose embedding server refuses base64 and, for some words, everything."""
    async with (
        OddEmbeddings(REFUSING) as server,
        running(
            tmp_path,
            one_process=True,
            EMBEDDINGS_BASE_URL=server.base_url,
            EMBEDDINGS_MODEL="m",
            EMBEDDINGS_QUESTION_PATIENCE="2",
            RETRIEVAL_MIN_RELEVANCE="0",
        ) as stack,
    ):
        yield stack


async def test_a_client_hears_of_the_search(stack: Stack) -> None:
    """Within seconds, in the envelope; Retry-After only with what may be tried again; for free."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
        client = Client(http, await stack.account())
        agent_id = await client.agent(HOURS, model="extractive")
        answer = await client.chat(agent_id, "What are your business hours?")
        assert "9AM" in answer["response"]
        before = await settled(client)
        for mark, status, code in (
            ("ask-error", 500, "search_failed"),
            ("ask-401", 500, "search_failed"),
            ("ask-500", 503, "service_unavailable"),
        ):
            begun = time.monotonic()
            path = f"/v1/agents/{agent_id}/chat"
            response = await client.request("POST", path, json={"message": f"{mark}: open?"})
            said = response.json()["error"]
            assert (response.status_code, said["code"]) == (status, code)
            assert "searched" in said["message"]
            assert ("retry-after" in response.headers) == ("try again" in said["message"])
            assert time.monotonic() - begun < 30
            streamed = await client.stream(agent_id, f"{mark}: and now?")
            failed = streamed.last["error"]
            assert (streamed.names[-1], failed["code"]) == ("error", code)
            assert ("retry_after" in failed) == (status == 503)
        assert (await client.get("/v1/credits"))["balance"] == before


async def test_a_server_that_can_not_be_used_is_a_sentence(
    nats_url: str, mongo_url: str, tmp_path: Path
) -> None:
    """The service ends with it, and nothing else."""
    async with OddEmbeddings({"": lambda _: listed([])}) as server:
        env = os.environ | {
            "NATS_URL": nats_url,
            "MONGO_URL": mongo_url,
            "DATA_DIR": str(tmp_path),
            "EMBEDDINGS_BASE_URL": server.base_url,
            "EMBEDDINGS_MODEL": "m",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services", "rag", env=env, stdout=PIPE, stderr=STDOUT
        )
        async with asyncio.timeout(60):
            output = (await process.communicate())[0].decode()
    assert process.returncode == 1
    assert "EMBEDDINGS_BASE_URL" in output
    assert "0 vectors for 1 text" in output
    assert "Traceback" not in output
