"""More than there is room for is refused at once, and what is let in is not disturbed."""

import asyncio
import json
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.fakes.openai_server import FakeOpenAI, Script
from tests.flow.client import Client
from tests.stack import Stack, running
from tests.waiting import eventually

ENDLESS = Script(stall_after=1)


@pytest.fixture
async def model() -> AsyncIterator[FakeOpenAI]:
    """A language model that stops in the middle of every answer."""
    async with FakeOpenAI(default=ENDLESS) as fake:
        yield fake


@asynccontextmanager
async def narrow(
    directory: Path, model: FakeOpenAI, **limits: Any
) -> AsyncIterator[tuple[Stack, Client, str]]:
    """Run a system with small limits; hand over a client and an agent as well."""
    async with (
        running(
            directory, one_process=True, LLM_BASE_URL=model.base_url, LLM_API_KEY="test", **limits
        ) as stack,
        httpx.AsyncClient(base_url=stack.url, timeout=60) as http,
    ):
        client = Client(http, await stack.account())
        yield stack, client, await client.agent(model="endless")


async def send(client: Client, agent_id: str) -> httpx.Response:
    """Send a message and wait for the whole answer."""
    return await client.request("POST", f"/v1/agents/{agent_id}/chat", json={"message": "Hi"})


def refused(response: httpx.Response) -> bool:
    """Whether it is the documented refusal."""
    return (
        response.status_code == 503
        and response.json()["error"]["code"] == "overloaded"
        and int(response.headers["Retry-After"]) > 0
    )


async def test_open_answers_are_bounded(tmp_path: Path, model: FakeOpenAI) -> None:
    """One more than MAX_OPEN_ANSWERS is refused, costs nothing, and has room when others leave.

    Without waiting for the garbage to be collected: here, nothing ever does.
    """
    (tmp_path / "sitecustomize.py").write_text("import gc\ngc.disable()\n")
    python = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    limits = {"MAX_OPEN_ANSWERS": "3", "PYTHONPATH": python}
    async with narrow(tmp_path, model, **limits) as (_, client, agent):
        async with AsyncExitStack() as streams:
            opened = [
                await streams.enter_async_context(client.streaming(agent, "Hi")) for _ in range(3)
            ]
            for _, events in opened:
                await anext(events)
            held = (await client.get("/v1/credits"))["held"]
            assert refused(await send(client, agent))
            assert (await client.get("/v1/credits"))["held"] == held

        async def room() -> bool:
            return (await send(client, agent)).status_code == 200

        model.resume()
        await eventually(room)


async def test_the_line_is_bounded(tmp_path: Path, model: FakeOpenAI) -> None:
    """With every worker busy and MAX_WAITING_QUESTIONS in line, the next one is refused."""
    limits: dict[str, Any] = {"LLM_CONCURRENCY": "1", "MAX_WAITING_QUESTIONS": "3"}
    async with narrow(tmp_path, model, **limits) as (_, client, agent):
        asking: list[asyncio.Task[httpx.Response]] = []

        async def full() -> bool:
            asking.append(asyncio.create_task(send(client, agent)))
            done, _ = await asyncio.wait({asking[-1]}, timeout=0.3)
            return bool(done)

        await eventually(full)
        assert refused(asking[-1].result())
        assert len(asking) > 3
        model.resume()
        answered = await asyncio.gather(*asking[:-1])
        assert {response.status_code for response in answered} == {200}


async def test_one_account_leaves_room_for_others(tmp_path: Path, model: FakeOpenAI) -> None:
    """Its open answers and its questions in line are bounded, also when it does not wait."""
    limits: dict[str, Any] = {
        "ANSWERS_PER_ACCOUNT": "4",
        "WAITING_PER_ACCOUNT": "3",
        "LLM_CONCURRENCY": "2",
    }
    async with narrow(tmp_path, model, **limits) as (stack, client, agent):
        other = Client(client.http, await stack.account())
        calm = await other.agent(model="extractive")
        asking = [asyncio.create_task(send(client, agent)) for _ in range(12)]
        await model.until(lambda fake: len(fake.chats) == 2, timeout=60)
        done, _ = await asyncio.wait(asking, timeout=2)
        while len(done) < 12 - 4:
            done, _ = await asyncio.wait(asking, return_when=asyncio.FIRST_COMPLETED)
        assert all(refused(one.result()) for one in done)
        # Who has left has its question in line all the same.
        for one in asking:
            one.cancel()

        async def lets_in_no_more() -> bool:
            leaving = asyncio.create_task(send(client, agent))
            done, _ = await asyncio.wait({leaving}, timeout=0.3)
            leaving.cancel()
            return bool(done) and refused(leaving.result())

        await eventually(lets_in_no_more)
        waiting = asyncio.create_task(send(other, calm))
        done, _ = await asyncio.wait({waiting}, timeout=1)
        assert not done or waiting.result().status_code == 200
        model.resume()
        assert (await waiting).status_code == 200


async def test_a_client_that_left_makes_room(tmp_path: Path, model: FakeOpenAI) -> None:
    """It waited for a whole answer; its question is answered and stored all the same."""
    async with narrow(tmp_path, model, MAX_OPEN_ANSWERS="1") as (_, client, agent):
        waiting = asyncio.create_task(send(client, agent))
        await model.until(lambda fake: len(fake.chats) == 1)
        assert refused(await send(client, agent))
        waiting.cancel()
        model.resume()

        async def room() -> bool:
            return (await send(client, agent)).status_code == 200

        await eventually(room)
        (_, first) = (await client.get(f"/v1/agents/{agent}/conversations"))["items"]
        messages = (await client.get(f"/v1/conversations/{first['id']}"))["messages"]
        assert [message["role"] for message in messages] == ["user", "assistant"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets go of such clients by itself")
async def test_a_client_that_reads_nothing_is_let_go(tmp_path: Path, model: FakeOpenAI) -> None:
    """Others are not disturbed, its answer is complete and stored, its place is free again."""
    model.scripts["endless"] = Script(tokens=12_000, burst=100)
    limits = {"MAX_OPEN_ANSWERS": "1", "CLIENT_TIMEOUT": "1"}
    async with narrow(tmp_path, model, **limits) as (stack, client, agent):
        with socket.socket() as stuck:
            stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            stuck.connect(("127.0.0.1", next(iter(stack.ports.values()))))
            body = json.dumps({"message": "Talk.", "stream": True}).encode()
            key = client.key.encode()
            stuck.sendall(
                b"POST /v1/agents/" + agent.encode() + b"/chat HTTP/1.1\r\nHost: x\r\n"
                b"Content-Type: application/json\r\nAuthorization: Bearer " + key + b"\r\n"
                b"Content-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body
            )

            async def stored() -> bool:
                rows = (await client.get(f"/v1/agents/{agent}/conversations"))["items"]
                if not rows:
                    return False
                messages = (await client.get(f"/v1/conversations/{rows[0]['id']}"))["messages"]
                return len(messages) == 2 and messages[1]["status"] == "done"

            await eventually(stored)
            model.scripts["endless"] = Script(tokens=3)

            async def room() -> bool:
                return (await send(client, agent)).status_code == 200

            await eventually(room)

            port = stuck.getsockname()[1]

            async def let_go() -> bool:
                return port not in connected_ports()

            await eventually(let_go)


def connected_ports() -> set[int]:
    """The other ends' ports of all established connections that this machine's servers have."""
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return {int(row[2].rpartition(":")[2], 16) for row in rows if row[3] == "01"}


async def test_readiness_is_asked_once_for_all(tmp_path: Path, model: FakeOpenAI) -> None:
    """A hundred who ask at once cost the model server one request."""
    async with narrow(tmp_path, model, READINESS_SECONDS="30") as (stack, _, _):
        async with httpx.AsyncClient(base_url=stack.url, timeout=60) as http:
            await http.get("/readyz")
            before = asked_for_models(model)
            answers = await asyncio.gather(*(http.get("/readyz") for _ in range(100)))
        assert {answer.status_code for answer in answers} == {200}
        assert asked_for_models(model) <= before + 1


def asked_for_models(model: FakeOpenAI) -> int:
    """How often the model server was asked whether it is there."""
    return sum(seen.path == "/v1/models" for seen in model.requests)
