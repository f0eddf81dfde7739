"""A real llama.cpp server with a small model, and the whole stack in front of it."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from tests.flow.client import Client
from tests.stack import Stack, running

HERE = Path(__file__).parent
INSTALLING = 300
"""Seconds that the packages get to be there, 250 MB of them the model."""
PATIENCE = "240"
"""Seconds for what a model of this size does in one, on a machine that does much else."""


@pytest.fixture(scope="package")
def llama() -> Iterator[str]:
    """Where the server listens."""
    try:
        install = subprocess.run(
            [HERE / "install.sh", sys.executable],
            capture_output=True,
            text=True,
            check=False,
            timeout=INSTALLING,
        )
    except subprocess.TimeoutExpired:
        pytest.skip(f"a real llama.cpp server: not installed within {INSTALLING} s")
    if install.returncode:
        said = " ".join(install.stderr.split())[-300:]
        pytest.skip(f"a real llama.cpp server: it can't be installed here ({said})")
    directory = Path(install.stdout.strip())
    command = [directory / "bin/python", HERE / "serve.py", directory / "model.gguf"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            yield server.stdout.readline().strip()
        finally:
            server.stdin.close()  # which ends it


@pytest.fixture(scope="package")
async def stack(llama: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """The whole system with that model."""
    async with running(
        tmp_path_factory.mktemp("llama"),
        one_process=True,
        LLM_BASE_URL=f"{llama}/v1",
        LLM_MODEL="gemma",
        LLM_FIRST_TOKEN_TIMEOUT=PATIENCE,
        LLM_TOKEN_TIMEOUT=PATIENCE,
        LLM_TOTAL_TIMEOUT=PATIENCE,
    ) as stack:
        yield stack


@pytest.fixture
async def client(stack: Stack) -> AsyncIterator[Client]:
    """A client with the secret key of a new account."""
    async with httpx.AsyncClient(base_url=stack.url, timeout=float(PATIENCE)) as http:
        yield Client(http, await stack.account())
