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

from alonchat.embedded import free_port
from tests.alonchat.installed import Installed, alonchat
from tests.fakes.raw_model_server import RawModelServer
from tests.flow.client import HOURS, Client
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
        timeout=60,
    )
    findings: list[dict[str, Any]] = json.loads(done.stdout)["findings"]
    (found,) = [one for one in findings if one["name"] == "model server"]
    assert "llm/llm" not in [one["name"] for one in findings]
    return found["sentence"], found["ok"]


def self_signed() -> ssl.SSLContext:
    """A server's side of TLS with a certificate that nobody here trusts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


async def test_doctor_explains_what_is_wrong(upstreams: World) -> None:
    """One sentence each, that names the setting or the thing to see to."""
    url = upstreams.server.base_url
    nobody = free_port()
    async with RawModelServer({MODEL: says(*words())}, tls=self_signed()) as secure:
        asked = {
            "fine": {"LLM_BASE_URL": url, "LLM_MODEL": MODEL},
            "by llm itself": {"LLM_BASE_URL": "", "LLM_API_KEY": "", "LLM_MODEL": MODEL},
            "nobody": {"LLM_BASE_URL": f"http://127.0.0.1:{nobody}/v1"},
            "no /v1": {"LLM_BASE_URL": url.removesuffix("/v1"), "LLM_MODEL": MODEL},
            "unknown model": {"LLM_BASE_URL": url, "LLM_MODEL": "gpt-nobody"},
            "untrusted": {"LLM_BASE_URL": secure.base_url, "LLM_MODEL": MODEL},
            "key": {"LLM_BASE_URL": url, "LLM_MODEL": "401"},
            "a refusal": {"LLM_BASE_URL": url, "LLM_MODEL": "400 with an error string"},
            "a query": {"LLM_BASE_URL": f"{url}?api-version=1"},
            "whole path": {"LLM_BASE_URL": f"{url}/chat/completions"},
            "no scheme": {"LLM_BASE_URL": "127.0.0.1:8231/v1"},
        }
        said_of = await asyncio.gather(*(doctor(upstreams, **env) for env in asked.values()))
    found = dict(zip(asked, said_of, strict=True))
    for name in ("fine", "by llm itself"):
        assert found[name] == (f"The model server at {url} answers with {MODEL}.", True)
    assert not any(ok for name, (_, ok) in found.items() if name not in ("fine", "by llm itself"))
    sentences = {name: sentence for name, (sentence, _) in found.items()}
    assert "connection refused" in sentences["nobody"]
    assert f"127.0.0.1:{nobody}" in sentences["nobody"]
    assert f"it lacks /v1; set LLM_BASE_URL={url}." in sentences["no /v1"]
    assert "does not have the model gpt-nobody" in sentences["unknown model"]
    assert MODEL in sentences["unknown model"]
    assert "certificate" in sentences["untrusted"]
    assert "SSL_CERT_FILE" in sentences["untrusted"]
    assert "refuses LLM_API_KEY (status 401" in sentences["key"]
    assert "It says: no" in sentences["a refusal"]
    assert "LLM_BASE_URL: it has a query" in sentences["a query"]
    assert f"write {url}" in sentences["whole path"]
    assert "write it like http://127.0.0.1:8231/v1" in sentences["no scheme"]


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_key_that_may_not_list_models_is_ready(upstreams: World, status: int) -> None:
    """What counts is that chats are answered."""
    upstreams.server.models = answers(status, said())
    try:
        ready = await upstreams.client.request("GET", "/readyz")
        assert ready.status_code == 200, ready.text
        agent = await upstreams.client.agent(model=MODEL)
        assert (await upstreams.client.chat(agent, "Open?"))["finish_reason"] == "stop"
    finally:
        upstreams.server.models = None


@pytest.mark.parametrize("fallbacks", [[MODEL], []])
async def test_dropped_connection_is_no_reason_to_fall_back(
    upstreams: World, fallbacks: list[str]
) -> None:
    """Every second connection is reset when it is used again: nobody notices."""
    model = "resets a connection that is used a second time"
    agent = await upstreams.client.agent(model=model, fallback_models=fallbacks)
    for _ in range(6):
        assert (await upstreams.client.chat(agent, "Open?"))["model"] == model


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
