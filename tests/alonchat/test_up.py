"""`alonchat up` on real servers and services, one process each."""

import asyncio
import json
import os
import re
import shlex
import signal
import stat
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from alonchat.stack import demo, env_file
from alonchat.stack.embedded import free_port
from alonchat.stack.settings import StackSettings
from libs.bus.bus import open_bus
from libs.contracts.accounts import LIST_ACCOUNTS, ListAccounts
from libs.contracts.calls import SERVICES
from tests.alonchat.installed import Installed, alonchat, environment, none_runs
from tests.waiting import eventually

NAMES = [
    "ALONCHAT_URL",
    "ALONCHAT_AGENT_ID",
    "ALONCHAT_SECRET_KEY",
    "ALONCHAT_PUBLISHABLE_KEY",
]


README = Path(__file__).parents[2] / "README.md"
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)


@pytest.fixture(scope="module")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Installed]:
    """A stack that was started for the first time."""
    installed = await Installed.start(tmp_path_factory.mktemp("up") / "data")
    try:
        yield installed
    finally:
        installed.kill()


async def ask(url: str, agent_id: str, key: str, message: str) -> dict[str, Any]:
    """Send a message to an agent and return the answer."""
    headers = {"Authorization": f"Bearer {key}"}
    async with httpx.AsyncClient(base_url=url, headers=headers, timeout=30) as client:
        response = await client.post(f"/v1/agents/{agent_id}/chat", json={"message": message})
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


async def ready(stack: Installed) -> bool:
    """Whether everything behind the edge answers."""
    try:
        async with httpx.AsyncClient(timeout=10) as client:
            return (await client.get(f"{stack.url}/readyz")).status_code == 200
    except httpx.TransportError:
        return False


def settings_of(stack: Installed, directory: Path) -> StackSettings:
    """Return the settings of a start on another directory that uses this stack's servers."""
    settings = StackSettings.load()
    return settings.model_copy(update={"port": stack.port, "data_dir": directory})


def printed(stack: Installed, *arguments: str) -> dict[str, Any]:
    """Run a command with --json and return the document."""
    result = alonchat(*arguments, "--json", env=stack.env)
    assert result.returncode == 0, result.stdout
    document: dict[str, Any] = json.loads(result.stdout)
    return document


async def accounts(nats_url: str) -> set[str]:
    """Return the ids of all accounts."""
    async with open_bus(nats_url, "test") as bus:
        page = await bus.call(LIST_ACCOUNTS, ListAccounts())
    return {account.id for account in page.items}


async def test_the_printed_curl_line_answers_from_the_demo(stack: Installed) -> None:
    """What is printed can be pasted: it asks about business hours and gets the seed's answer."""
    _, _, rest = stack.output.partition("curl ")
    command, _, _ = rest.partition("\n\n")
    method, url, *options = shlex.split(command)[2:]
    headers = dict(options[at + 1].split(": ") for at, word in enumerate(options) if word == "-H")
    body = options[options.index("-d") + 1]
    async with httpx.AsyncClient(timeout=30) as client:
        answer = (await client.request(method, url, headers=headers, content=body)).json()
    assert answer["response"] == (
        "We're open Monday-Saturday, 9AM to 6PM. Closed on Sundays and holidays!"
    )
    assert answer["sources"][0]["type"] == "qa"
    assert answer["sources"][0]["relevance"] > 0.5
    assert answer["confidence"] > 0.5


def test_the_readmes_curl_answers_from_the_demo(stack: Installed) -> None:
    """The README's own lines, in a shell, where `make run` was started."""
    pasted = next(one for one in SHELL.findall(README.read_text("utf-8")) if "curl" in one)
    assert ". .data/demo.env" in pasted
    pasted = pasted.replace(".data/demo.env", shlex.quote(str(stack.directory / "demo.env")))
    ran = subprocess.run(
        ["sh", "-c", pasted], capture_output=True, text=True, check=True, timeout=30
    )
    assert json.loads(ran.stdout)["response"] == (
        "We're open Monday-Saturday, 9AM to 6PM. Closed on Sundays and holidays!"
    )


async def test_the_demo_knows_what_it_does_not_know(stack: Installed) -> None:
    """A question that no source covers gets low confidence."""
    agent, key = stack.demo["ALONCHAT_AGENT_ID"], stack.demo["ALONCHAT_SECRET_KEY"]
    answer = await ask(stack.url, agent, key, "Who won the world chess championship in 1972?")
    assert answer["confidence"] < 0.5


async def test_the_demo_answers_in_tagalog(stack: Installed) -> None:
    """A Tagalog question finds a Tagalog source."""
    agent, key = stack.demo["ALONCHAT_AGENT_ID"], stack.demo["ALONCHAT_SECRET_KEY"]
    answer = await ask(stack.url, agent, key, "Pwede po ba magbayad ng GCash?")
    assert "GCash" in answer["response"]


def test_demo_file_is_private_and_complete(stack: Installed) -> None:
    """demo.env has the four names, needs no quoting, and only its owner reads it."""
    assert list(stack.demo) == NAMES
    assert stack.demo["ALONCHAT_URL"] == stack.url
    assert all(shlex.quote(value) == value for value in stack.demo.values())
    assert stat.S_IMODE((stack.directory / "demo.env").stat().st_mode) == 0o600
    assert stat.S_IMODE((stack.directory / "stack.env").stat().st_mode) == 0o600


def test_doctor_finds_the_stack_well(stack: Installed) -> None:
    """Doctor finds the servers by the data directory and says that all is well."""
    result = alonchat("doctor", env=environment(stack.directory))
    assert result.returncode == 0, result.stdout
    assert f"The API is ready at {stack.url}." in result.stdout
    assert "FAIL" not in result.stdout


def test_an_account_is_opened_listed_changed_and_granted(stack: Installed) -> None:
    """The account commands as a script uses them, with their JSON."""
    opened = printed(stack, "account", "create", "--name", "Ana", "--plan", "pro", "--credits", "7")
    assert opened["secret_key"].startswith("sk_")
    account = opened["account"]["id"]
    changed = printed(
        stack, "account", "set-plan", account, "enterprise", "--requests-per-minute", "900"
    )
    assert (changed["plan"], changed["requests_per_minute"]) == ("enterprise", 900)
    granted = printed(stack, "account", "grant", account, "5", "--note", "thanks")
    assert granted["balance"] == 12
    newest = printed(stack, "account", "list")["accounts"][0]
    assert (newest["account"]["id"], newest["balance"]["balance"]) == (account, 12)


def test_an_account_that_is_not_there_is_said(stack: Installed) -> None:
    """A service's refusal keeps its code."""
    result = alonchat("account", "set-plan", "acc_none", "pro", "--json", env=stack.env)
    assert result.returncode == 1
    assert json.loads(result.stdout)["error"]["code"] == "not_found"


def test_a_second_start_on_the_directory_is_refused(stack: Installed) -> None:
    """A second instance gets one sentence that names the first one's process."""
    result = alonchat("up", env=environment(stack.directory, PORT=str(free_port())))
    assert result.returncode == 1
    assert f"Another stack (process {stack.process.pid}) is running" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_port_in_use_is_said_before_anything_starts(stack: Installed, tmp_path: Path) -> None:
    """Somebody else on the port is one sentence, and the data directory is not even made."""
    env = environment(tmp_path / "data", PORT=str(stack.port))
    result = alonchat("up", "--json", env=env)
    assert result.returncode == 1
    assert f"Can't listen on 127.0.0.1:{stack.port} (Address already in use)" in result.stdout
    assert not (tmp_path / "data").exists()


async def test_a_demo_that_was_interrupted_is_made_anew(stack: Installed, tmp_path: Path) -> None:
    """A start that ends while it creates the demo leaves no demo.env, the next one does."""
    settings = settings_of(stack, tmp_path)
    nats_url = env_file.read(stack.directory / "stack.env")["NATS_URL"]
    before = await accounts(nats_url)
    creating = asyncio.create_task(demo.ensure(settings, nats_url))

    async def begun() -> bool:
        return await accounts(nats_url) != before

    await eventually(begun)
    creating.cancel()
    await asyncio.gather(creating, return_exceptions=True)
    assert creating.cancelled()
    assert not settings.demo_file.exists()
    made = await demo.ensure(settings, nats_url)
    assert env_file.read(settings.demo_file) == made.env()
    assert await demo.ensure(settings, nats_url) == made


async def test_a_demo_of_another_database_is_replaced(stack: Installed, tmp_path: Path) -> None:
    """A demo.env whose key the database does not know is not believed."""
    settings = settings_of(stack, tmp_path)
    nats_url = env_file.read(stack.directory / "stack.env")["NATS_URL"]
    stale = dict.fromkeys(NAMES, "stale") | {"ALONCHAT_URL": stack.url}
    env_file.write(settings.demo_file, stale)
    made = await demo.ensure(settings, nats_url)
    answer = await ask(stack.url, made.agent_id, made.secret_key, "What are your business hours?")
    assert answer["confidence"] > 0.5


@pytest.mark.parametrize("name", ["nats", "mongo", "rag"])
async def test_what_dies_is_started_again(stack: Installed, name: str) -> None:
    """After kill -9 of a server or a service it comes back, and so does the whole stack."""
    before = stack.children[name]
    os.kill(before, signal.SIGKILL)

    async def back() -> bool:
        return stack.children[name] != before and await ready(stack)

    await eventually(back)
    agent, key = stack.demo["ALONCHAT_AGENT_ID"], stack.demo["ALONCHAT_SECRET_KEY"]
    answer = await ask(stack.url, agent, key, "What are your business hours?")
    assert answer["confidence"] > 0.5


async def test_after_a_kill_the_next_start_finds_everything(stack: Installed) -> None:
    """Kill -9 of the supervisor ends all; the next start has the demo and the conversations."""
    agent, key = stack.demo["ALONCHAT_AGENT_ID"], stack.demo["ALONCHAT_SECRET_KEY"]
    asked = await ask(stack.url, agent, key, "Where is your shop?")
    children = list(stack.children.values())
    assert len(children) == len(SERVICES) + 2
    stack.kill()

    async def gone() -> bool:
        return none_runs(children)

    await eventually(gone)
    assert (stack.directory / "stack.env").exists()
    again = await Installed.start(stack.directory, "--single-process")
    try:
        assert list(again.children) == ["nats", "mongo", "services"]
        assert again.demo == stack.demo | {"ALONCHAT_URL": again.url}
        async with httpx.AsyncClient(base_url=again.url, timeout=30) as client:
            found = await client.get(
                f"/v1/conversations/{asked['conversation_id']}",
                headers={"Authorization": f"Bearer {key}"},
            )
        assert found.json()["messages"][1]["content"] == asked["response"]
        children = list(again.children.values())
        assert again.interrupt() == 0
        assert none_runs(children)
        assert not (stack.directory / "stack.env").exists()
        assert "Traceback" not in again.output
        assert "Stopping …" in again.output
    finally:
        again.kill()
