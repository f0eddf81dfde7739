"""Through nginx in its usual set-ups, and through Caddy: everything arrives, and in time."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.api.settings import ApiSettings
from tests.clients.conftest import HEARTBEAT, PATIENCE, Talker, lines_taken, output, talker
from tests.clients.proxies import IMPATIENCE, Proxy, caddy, nginx
from tests.fakes.openai_server import FakeOpenAI, Script
from tests.stack import Stack
from tests.waiting import eventually

SPOKEN = 3
"""Tokens until the model stops to wait."""
HALTING = Script(tokens=12, stall_after=SPOKEN)
WHOLE = "".join(f"tok{n} " for n in range(12))
SILENT = Script(tokens=12, stall_after=0)


@pytest.fixture(scope="module")
async def proxies(
    tmp_path_factory: pytest.TempPathFactory, stack: Stack
) -> AsyncIterator[dict[str, Proxy]]:
    """The proxies by name; Caddy only where it is installed."""
    api = stack.ports["all"]
    async with (
        nginx(tmp_path_factory.mktemp("nginx"), api) as nginxes,
        caddy(tmp_path_factory.mktemp("caddy"), api) as caddies,
    ):
        yield nginxes | caddies


@dataclass
class Reading:
    """A stream that curl reads, line by line."""

    process: asyncio.subprocess.Process
    lines: list[str]

    async def until(self, mark: str) -> None:
        """Read until a line has this in it."""
        assert self.process.stdout is not None
        while mark not in "".join(self.lines):
            line = await asyncio.wait_for(self.process.stdout.readline(), PATIENCE)
            assert line, f"the stream ended before {mark}: {self.lines}"
            self.lines.append(line.decode().rstrip("\n"))

    @property
    def last_id(self) -> str:
        """The id of the last event."""
        return [line.removeprefix("id: ") for line in self.lines if line.startswith("id: ")][-1]

    @property
    def text(self) -> str:
        """The text so far."""
        return str(lines_taken(self.lines)["text"])


def curl(proxy: Proxy, asker: Talker, *options: str) -> list[str]:
    """The command for a request of this account."""
    key = f"Authorization: Bearer {asker.client.key}"
    return ["curl", "-sSN", *proxy.options, "-H", key, *options]


def message(proxy: Proxy, asker: Talker, **fields: Any) -> list[str]:
    """The options that send a message."""
    body = json.dumps({"message": "Hi"} | fields)
    url = f"{proxy.url}/v1/agents/{asker.agent}/chat"
    return ["-H", "Content-Type: application/json", "-d", body, url]


@asynccontextmanager
async def reading(command: list[str]) -> AsyncIterator[Reading]:
    """Run curl; at the end it is killed, as a client is that goes away."""
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        yield Reading(process, [])
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_streams_stay_streams(
    proxies: dict[str, Proxy], stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """What the model has said is there while it waits, and the rest when it goes on."""
    model.pause()
    halted = asyncio.Barrier(len(proxies))

    async def follow(proxy: Proxy) -> None:
        asker = await talker(stack, http, model, HALTING)
        command = curl(proxy, asker, *message(proxy, asker, stream=True))
        async with reading(command) as stream:
            await stream.until(f"tok{SPOKEN - 1}")
            assert f"tok{SPOKEN}" not in stream.text
            await halted.wait()
            model.resume()
            await stream.until("event: done")
            assert stream.text == WHOLE
        assert await asker.spent() > 0

    async with asyncio.TaskGroup() as group:
        for proxy in proxies.values():
            group.create_task(follow(proxy))


async def test_heartbeats_outlast_a_short_read_timeout(
    proxies: dict[str, Proxy], stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """A model that is silent for longer than nginx waits."""
    model.pause()
    asker = await talker(stack, http, model, SILENT)
    proxy = proxies["impatient"]
    async with reading(curl(proxy, asker, *message(proxy, asker, stream=True))) as stream:
        await stream.until(": keep-alive" * round(1.5 * IMPATIENCE / HEARTBEAT))
        model.resume()
        await stream.until("event: done")
        assert stream.text == WHOLE
    assert asker.asked == 1


async def test_a_json_answer_outlasts_the_proxy(
    proxies: dict[str, Proxy], stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """With an Idempotency-Key the retries after the 504 find the answer; it is billed once."""
    model.pause()
    asker = await talker(stack, http, model, SILENT)
    proxy = proxies["impatient"]
    command = curl(proxy, asker, "-w", "\n%{http_code}", "-H", "Idempotency-Key: once")
    whole = [*command, *message(proxy, asker)]
    assert (await output(*whole)).endswith("504")
    body, _, status = (await output(*whole)).rpartition("\n")
    assert status == "409"
    assert json.loads(body)["error"]["code"] == "idempotency_key_in_use"
    async with reading([*command, *message(proxy, asker, stream=True)]) as stream:
        await stream.until(": keep-alive")
        model.resume()
        await stream.until("event: done")
        assert stream.text == WHOLE
    body, _, status = (await output(*whole)).rpartition("\n")
    assert (status, json.loads(body)["response"]) == ("200", WHOLE)
    assert asker.asked == 1
    assert await asker.spent() == json.loads(body)["credits_used"]


@pytest.mark.parametrize("name", ["default", "documented"])
async def test_resume_after_a_cut(
    proxies: dict[str, Proxy],
    stack: Stack,
    http: httpx.AsyncClient,
    model: FakeOpenAI,
    name: str,
) -> None:
    """The connection is gone after some words; the rest comes at the message's stream."""
    model.pause()
    asker = await talker(stack, http, model, HALTING)
    proxy = proxies[name]
    async with reading(curl(proxy, asker, *message(proxy, asker, stream=True))) as stream:
        await stream.until(f"tok{SPOKEN - 1}")
    told, last_id = stream.text, stream.last_id
    message_id = last_id.partition(".")[0]
    url = f"{proxy.url}/v1/messages/{message_id}/stream"
    async with reading(curl(proxy, asker, "-H", f"Last-Event-ID: {last_id}", url)) as rest:
        await rest.until(": keep-alive")
        model.resume()
        await rest.until("event: done")
    assert told + rest.text == WHOLE


@pytest.mark.parametrize("name", ["default", "documented"])
async def test_cancel_on_disconnect(
    proxies: dict[str, Proxy],
    stack: Stack,
    http: httpx.AsyncClient,
    model: FakeOpenAI,
    name: str,
) -> None:
    """The client of the proxy goes, and the model server is let go."""
    model.pause()
    asker = await talker(stack, http, model, HALTING)
    proxy = proxies[name]
    fields = {"stream": True, "cancel_on_disconnect": True}
    async with reading(curl(proxy, asker, *message(proxy, asker, **fields))) as stream:
        await stream.until(f"tok{SPOKEN - 1}")
    await model.until(
        lambda fake: any(
            seen.body["model"] == asker.model and seen.disconnected_at for seen in fake.chats
        ),
        timeout=30,
    )

    async def stored() -> bool:
        [conversation] = await asker.conversations()
        return [one.get("status") for one in conversation["messages"]] == [None, "cancelled"]

    await eventually(stored)


async def test_the_largest_upload(
    proxies: dict[str, Proxy],
    stack: Stack,
    http: httpx.AsyncClient,
    model: FakeOpenAI,
    tmp_path: Path,
) -> None:
    """As many bytes as the edge takes pass; nginx without a setting would stop at one megabyte."""
    asker = await talker(stack, http, model, Script())
    largest = int(ApiSettings.model_fields["max_upload_bytes"].default)
    for name in {"documented", "caddy"} & set(proxies):
        proxy = proxies[name]
        file = tmp_path / f"{name}.pdf"
        start = f"%PDF-1.7\n% {name}\n".encode()
        file.write_bytes(start.ljust(largest - 1024))  # the rest is the form's
        url = f"{proxy.url}/v1/agents/{asker.agent}/sources/files"
        status = await output(
            *curl(proxy, asker, "-o", "/dev/null", "-w", "%{http_code}", "-F", f"file=@{file}", url)
        )
        assert status == "201", name


async def test_visitors_have_their_own_addresses(
    proxies: dict[str, Proxy], stack: Stack, http: httpx.AsyncClient, model: FakeOpenAI
) -> None:
    """One visitor's address is used up, whatever it claims to be; another's is not."""
    asker = await talker(stack, http, model, Script())
    path = f"/v1/agents/{asker.agent}/keys"
    made = await asker.client.post(path, {"type": "publishable", "allowed_origins": ["*"]})
    asker.client.key = made["key"]

    async def visit(proxy: Proxy, address: str, *options: str) -> str:
        url = f"{proxy.url}/v1/conversations/conv_none"
        command = curl(proxy, asker, "--interface", address, "-o", "/dev/null")
        return await output(*command, "-w", "%{http_code}", *options, url)

    for number, name in enumerate(sorted({"documented", "caddy"} & set(proxies))):
        proxy = proxies[name]
        greedy, modest = f"127.0.{number + 1}.2", f"127.0.{number + 1}.3"
        for _ in range(11):  # the minute may turn over once in between
            status = await visit(proxy, greedy, "-H", "X-Forwarded-For: 198.51.100.7")
            if status == "429":
                break
        assert status == "429", name
        assert await visit(proxy, modest, "-H", f"X-Forwarded-For: {greedy}") == "404", name


def test_idle_connections_outlive_the_proxies() -> None:
    """They keep theirs for 60 s (nginx), 90 (Traefik) and 120 (Caddy)."""
    assert ApiSettings.model_fields["keep_alive_timeout"].default > 120
