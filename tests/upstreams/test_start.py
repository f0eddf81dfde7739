"""Starting, and being examined, with a model server that is away, misaddressed or odd."""

import asyncio
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from alonchat.stack.embedded import free_port
from services.llm.model.examine import examine
from tests.alonchat.installed import Installed, alonchat
from tests.fakes.raw_model_server import RawModelServer
from tests.flow.client import HOURS, Client
from tests.llm.conftest import settings_with
from tests.upstreams.case import answers, says, words
from tests.upstreams.conftest import World
from tests.upstreams.errors import said

MODEL = "an ordinary stream"


async def doctor(world: World, **env: str) -> tuple[str, bool]:
    """Return what the doctor says of the model server, and whether all is well with it."""
    command = [sys.executable, "-m", "alonchat", "doctor", "--json"]
    done = await asyncio.to_thread(
        subprocess.run,
        command,
        env=os.environ | world.stack.env | env,
        capture_output=True,
        check=False,
        timeout=180,
    )
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    (found,) = [one for one in findings if one["name"] == "model server"]
    assert "llm/llm" not in [one["name"] for one in findings]
    return found["sentence"], found["ok"]


async def another(world: World) -> Client:
    """A client with an account of its own: what the cases cost is counted."""
    return Client(world.client.http, await world.stack.account())


def self_signed() -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody here trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_doctor_asks_the_model_server(upstreams: World) -> None:
    """By the settings of its own environment when it has any, else by those of llm."""
    url = upstreams.server.base_url
    nobody = free_port()
    fine, by_llm, refused, mistaken = await asyncio.gather(
        doctor(upstreams, LLM_BASE_URL=url, LLM_MODEL=MODEL),
        doctor(upstreams, LLM_BASE_URL="", LLM_API_KEY="", LLM_MODEL=MODEL),
        doctor(upstreams, LLM_BASE_URL=f"http://127.0.0.1:{nobody}/v1"),
        doctor(upstreams, LLM_BASE_URL=f"{url}?api-version=1"),
    )
    assert fine == by_llm == (f"The model server at {url} answers with {MODEL}.", True)
    assert f"Nothing listens at 127.0.0.1:{nobody} (connection refused)" in refused[0]
    assert "LLM_BASE_URL: it has a query" in mistaken[0]


async def test_what_is_wrong_is_explained() -> None:
    """One sentence each, that names the setting or the thing to see to."""
    behaviours = {
        MODEL: says(*words()),
        "401": answers(401, said()),
        "refuses": answers(400, {"error": "no such thing"}),
        "page": answers(200, b"<html>Sign in</html>"),
    }
    async with (
        RawModelServer(behaviours) as server,
        RawModelServer(behaviours, tls=self_signed()) as secure,
    ):
        url = server.base_url
        expected = [
            (url, MODEL, "answers with"),
            (url.removesuffix("/v1"), MODEL, f"it lacks /v1; set LLM_BASE_URL={url}."),
            (url.removesuffix("/v1"), "gpt-nobody", f"it lacks /v1; set LLM_BASE_URL={url}."),
            (url, "gpt-nobody", "does not have the model gpt-nobody: set LLM_MODEL to one that it"),
            (secure.base_url, MODEL, "is not trusted (unable to get local issuer certificate)"),
            (secure.base_url, MODEL, "SSL_CERT_FILE"),
            (url, "401", "refuses LLM_API_KEY (status 401"),
            (url, "refuses", "It says: no such thing"),
            (url, "page", "does not answer as an API"),
            (f"http://127.0.0.1:{free_port()}/v1", MODEL, "connection refused"),
        ]
        for base, model, words_of_it in expected:
            examined = await examine(settings_with(llm_base_url=base, llm_api_key="sk-x"), model)
            assert words_of_it in examined.sentence
            assert examined.ok is (words_of_it == "answers with")
            assert "sk-x" not in examined.sentence


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_key_that_may_not_list_models_is_ready(upstreams: World, status: int) -> None:
    """What counts is that chats are answered."""
    upstreams.server.models = answers(status, said())
    client = await another(upstreams)
    try:
        ready = await client.request("GET", "/readyz")
        assert ready.status_code == 200, ready.text
        agent = await client.agent(model=MODEL)
        assert (await client.chat(agent, "Open?"))["finish_reason"] == "stop"
    finally:
        upstreams.server.models = None


@pytest.mark.parametrize("fallbacks", [[MODEL], []])
async def test_dropped_connection_is_no_reason_to_fall_back(
    upstreams: World, fallbacks: list[str]
) -> None:
    """Every second connection is reset when it is used again: nobody notices."""
    model = "resets a connection that is used a second time"
    client = await another(upstreams)
    agent = await client.agent(model=model, fallback_models=fallbacks)
    for _ in range(6):
        assert (await client.chat(agent, "Open?"))["model"] == model


async def test_stack_starts_without_its_model_server(tmp_path: Path) -> None:
    """It says so; agents without a model answer."""
    url = f"http://127.0.0.1:{free_port()}/v1"
    installed = await Installed.start(
        tmp_path / "data", "--single-process", "--no-demo", LLM_BASE_URL=url
    )
    try:
        assert "connection refused" in installed.output
        assert "LLM_BASE_URL" in installed.output
        async with httpx.AsyncClient(base_url=installed.url, timeout=30) as http:
            create = ("account", "create", "--name", "T", "--plan", "pro", "--credits", "50")
            created = await asyncio.to_thread(alonchat, *create, "--json", env=installed.env)
            client = Client(http, json.loads(created.stdout)["secret_key"])
            agent = await client.agent(HOURS, model="extractive")
            answer = await client.chat(agent, "What are your business hours?")
            assert answer["response"] == HOURS["answer"]
    finally:
        installed.interrupt()
        installed.kill()
