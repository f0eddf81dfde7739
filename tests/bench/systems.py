"""The systems that are measured side by side. Each is started here and answers at a port."""

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import httpx

from alonchat.stack.child import tied
from alonchat.stack.embedded import free_port
from tests.bench import http, seed
from tests.flow.client import HOURS, Client
from tests.stack import Stack, running

MODEL = "bench"
SLOW_MODEL = "bench-slow"
START_TIMEOUT = 120.0
CHUNKS = 10_000
"""Chunks of our agent; the afternoon endpoint has a tenth of it."""


@dataclass
class System:
    """A running system: where it listens, how it is asked, whose CPU it uses.

    `pids` by process name; the upstream and the load generator are in nobody's.
    """

    name: str
    port: int
    path: str
    pids: dict[str, int]
    headers: dict[str, str] = field(default_factory=dict)
    body: dict[str, Any] = field(default_factory=dict)
    slow_body: dict[str, Any] = field(default_factory=dict)
    slow_path: str = ""
    openai: bool = False
    slow: bool = True
    """Whether it is measured with slow streams."""

    def request(self, number: int, *, stream: bool = True, slow: bool = False) -> bytes:
        """Return the request of a number; each asks something else."""
        question = f"What are your business hours on day {number}?"
        said = (
            {"messages": [{"role": "user", "content": question}]}
            if self.openai
            else {"message": question}
        )
        extra = self.slow_body if slow else self.body
        path = self.slow_path if slow and self.slow_path else self.path
        return http.post(path, json.dumps(extra | said | {"stream": stream}).encode(), self.headers)


@contextmanager
def process(command: list[str], log: Path, **env: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a process until the block ends."""
    with log.open("ab") as output:
        running = _started(command, output, env)
        try:
            yield running
        finally:
            running.terminate()
            running.wait(timeout=START_TIMEOUT)


def _started(command: list[str], output: IO[bytes], env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(tied(command), env=os.environ | env, stdout=output, stderr=output)


def until_it_answers(port: int, path: str, started: subprocess.Popen[bytes]) -> None:
    """Return when a server answers anything at a path."""
    deadline = time.monotonic() + START_TIMEOUT
    while time.monotonic() < deadline and started.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}{path}", timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"nothing answers at port {port}")


@contextmanager
def upstream(directory: Path) -> Iterator[System]:
    """(a) The fake language model, which all others ask."""
    port = free_port()
    command = [sys.executable, "-m", "tests.fakes.openai_server", "--port", str(port)]
    with process([*command, "--interval-ms", "0"], directory / "upstream.log") as one:
        until_it_answers(port, "/v1/models", one)
        slow = {"tokens": 64, "first_token_ms": 200, "interval_ms": 20}
        httpx.put(f"http://127.0.0.1:{port}/control/scripts/{SLOW_MODEL}", json=slow)
        yield System(
            "upstream",
            port,
            "/v1/chat/completions",
            {"upstream": one.pid},
            body={"model": MODEL},
            slow_body={"model": SLOW_MODEL},
            openai=True,
        )


@contextmanager
def receiver(directory: Path) -> Iterator[str]:
    """Start what receives webhooks; its URL."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.peers.receiver", str(port)]
    with process(command, directory / "receiver.log") as one:
        until_it_answers(port, "/", one)
        yield f"http://127.0.0.1:{port}/"


@contextmanager
def proxy(directory: Path, model: System) -> Iterator[System]:
    """(b) A pass-through proxy before it."""
    port = free_port()
    command = [sys.executable, "-m", "tests.bench.peers.relay", str(port), str(model.port)]
    with process(command, directory / "proxy.log") as one:
        until_it_answers(port, "/v1/models", one)
        yield System(
            "proxy",
            port,
            model.path,
            {"proxy": one.pid},
            body=model.body,
            slow_body=model.slow_body,
            openai=True,
        )


@contextmanager
def afternoon(directory: Path, model: System, environment: Path) -> Iterator[System]:
    """(c) The endpoint of an afternoon."""
    port = free_port()
    command = [str(environment / "uvicorn"), "afternoon:app", "--port", str(port)]
    peers = str(Path(__file__).parent / "peers")
    base = f"http://127.0.0.1:{model.port}/v1"
    with process(
        [*command, "--app-dir", peers, "--log-level", "warning"],
        directory / "afternoon.log",
        OPENAI_BASE_URL=base,
        OPENAI_API_KEY="bench",
    ) as one:
        until_it_answers(port, "/docs", one)
        slow = {"model": SLOW_MODEL}
        yield System("afternoon", port, "/chat", {"afternoon": one.pid}, slow_body=slow)


@contextmanager
def litellm(directory: Path, model: System, environment: Path) -> Iterator[System]:
    """(d) LiteLLM's proxy, without retrieval."""
    port = free_port()
    config = directory / "litellm.yaml"
    entry = {"model": f"openai/{MODEL}", "api_base": f"http://127.0.0.1:{model.port}/v1"}
    slow = entry | {"model": f"openai/{SLOW_MODEL}"}
    models = [
        {"model_name": name, "litellm_params": parameters | {"api_key": "bench"}}
        for name, parameters in ((MODEL, entry), (SLOW_MODEL, slow))
    ]
    config.write_text(json.dumps({"model_list": models}))  # JSON is YAML
    command = [str(environment / "litellm"), "--config", str(config), "--port", str(port)]
    env = {
        "PATH": f"{environment}:{os.environ['PATH']}",
        "LITELLM_DANGEROUSLY_PERMIT_WEAK_OR_UNSET_MASTER_KEY": "true",  # it won't start without
    }
    with process(command, directory / "litellm.log", **env) as one:
        until_it_answers(port, "/health/liveliness", one)
        yield System(
            "litellm",
            port,
            "/v1/chat/completions",
            {"litellm": one.pid},
            body={"model": MODEL},
            slow_body={"model": SLOW_MODEL},
            openai=True,
            slow=False,  # two thousand streams would take it minutes
        )


@asynccontextmanager
async def ours(
    directory: Path,
    model: System,
    *,
    chunks: int = CHUNKS,
    replicas: int = 1,
    qdrant: bool = False,
) -> AsyncIterator[tuple[System, Stack]]:
    """(e) All five services as processes of their own on the embedded servers."""
    base = f"http://127.0.0.1:{model.port}/v1"
    async with running(
        directory,
        replicas=replicas,
        qdrant=qdrant,
        LLM_BASE_URL=base,
        LLM_API_KEY="bench",
        LLM_MODEL=MODEL,
    ) as stack:
        key = await stack.account(credits=1_000_000_000)
        async with httpx.AsyncClient(base_url=stack.url, timeout=60) as plain:
            client = Client(plain, key)
            agent = await client.agent(HOURS, model=MODEL)
            slow_agent = await client.agent(HOURS, model=SLOW_MODEL)
        if chunks:
            await seed.chunks(stack, agent, chunks)
        yield (
            System(
                "alonchat",
                stack.ports["api"],
                f"/v1/agents/{agent}/chat",
                stack.pids,
                headers={"Authorization": f"Bearer {key}"},
                slow_path=f"/v1/agents/{slow_agent}/chat",
            ),
            stack,
        )
